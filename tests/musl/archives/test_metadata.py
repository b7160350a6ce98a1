from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.musl.archives.faults import Faults
from bivy.musl.archives.metadata import Metadata, parse_metadata

HEAD = b"Metadata-Version: 2.4\nName: Demo\nVersion: 1.0\n"


def parsed(raw: bytes) -> tuple[Metadata, list[str]]:
    faults = Faults("demo.whl")
    return parse_metadata(raw, "METADATA", faults), [problem.message for problem in faults.problems]


def test_the_fields_that_a_check_needs_are_read() -> None:
    raw = (
        HEAD + b"Summary: x\nRequires-Dist: a >= 1\nRequires-Dist: b; extra == 'x'\nProvides-Extra: x\n"
        b"Requires-Python: >=3.9\nDynamic: License\nDynamic: Requires-Dist\n\nRequires-Dist: not this\n"
    )
    metadata, faults = parsed(raw)
    assert metadata == Metadata(
        "2.4", "Demo", "1.0", ("a >= 1", "b; extra == 'x'"), ">=3.9", ("x",), frozenset({"license", "requires-dist"})
    )
    assert faults == []
    assert parsed(raw.replace(b"\n", b"\r\n"))[0] == metadata


def test_a_field_may_go_on_in_the_next_line() -> None:
    metadata, _ = parsed(HEAD + b"License: a\n  b\n\tc\nRequires-Dist: a;\n  extra == 'x'\n")
    assert len(metadata.requires) == 1
    assert metadata.name == "Demo"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "METADATA does not say what it is called"),
        (b"Name: demo\n", "METADATA does not say which version it is"),
        (HEAD + b"Name: other\n", "there twice or is not UTF-8: 'name'"),
        (HEAD + b"Requires-Python: \xff\n", "there twice or is not UTF-8: 'requires-python'"),
        (HEAD + b"Requires-Python: three\n", "versions of Python in METADATA that cannot be read: 'three'"),
        (HEAD + b"Requires-Dist: a>>1\nRequires-Dist: b\n", "requirements in METADATA that cannot be read: 'a>>1'"),
        (HEAD + b"Requires-Dist: a; " + b"(" * 9000 + b"\n", "requirements in METADATA that cannot be read"),
        (HEAD + b"Requires-Dist: a" + b"x" * 20_000 + b"\n", "requirements in METADATA that cannot be read"),
        (HEAD + b"Requires-Dist: a\n" * 10_001, "has 10001 requirements"),
    ],
)
def test_what_is_wrong_is_noted_and_the_rest_is_read(raw: bytes, message: str) -> None:
    metadata, faults = parsed(raw)
    assert message in "\n".join(faults)
    if b"Requires-Dist: b\n" in raw:
        assert metadata.requires == ("b",)


def test_very_many_different_fields_are_passed_over() -> None:
    metadata, faults = parsed(HEAD + b"".join(b"X-%d: y\n" % number for number in range(200_000)))
    assert (metadata.name, faults) == ("Demo", [])


@given(st.binary(max_size=400))
def test_any_bytes_are_read(raw: bytes) -> None:
    parsed(raw)
    parsed(HEAD + raw)


@given(st.text(max_size=100))
def test_any_requirement_is_read_or_noted(text: str) -> None:
    parsed(HEAD + b"Requires-Dist: " + text.encode(errors="replace") + b"\n")
