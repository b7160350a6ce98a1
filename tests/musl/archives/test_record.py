from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.musl.archives.faults import Faults
from bivy.musl.archives.record import Digest, Line, compare_names, parse_record


def parsed(raw: bytes) -> tuple[dict[str, Line], list[str]]:
    faults = Faults("demo.whl")
    return parse_record(raw, faults), [problem.message for problem in faults.problems]


def test_paths_and_digests_are_read() -> None:
    lines, faults = parsed(b'a.py,sha256=abc=,3\r\n"b,c.py",sha512=def,4\nd/RECORD,,\n\n')
    assert lines == {"a.py": Line("sha256", "abc"), "b,c.py": Line("sha512", "def"), "d/RECORD": Line("", "")}
    assert faults == []


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff", "RECORD is not UTF-8"),
        (b"a.py,md5=abc,3\n", "not SHA-256 or better: 'a.py'"),
        (b"a.py,sha256=abc,3\na.py,sha256=def,3\n", "twice with different digests: 'a.py'"),
        (b'ok.py,,\n"' + b"x" * 200_000, "RECORD cannot be read beyond line"),
    ],
)
def test_what_is_wrong_is_noted(raw: bytes, message: str) -> None:
    assert message in "\n".join(parsed(raw)[1])


def test_lines_before_one_that_cannot_be_read_count() -> None:
    assert "ok.py" in parsed(b'ok.py,,\n"' + b"x" * 200_000)[0]


def test_signatures_need_no_line_and_record_no_digest() -> None:
    faults = Faults("demo.whl")
    present = ["a.py", "d/RECORD", "d/RECORD.jws", "d/RECORD.p7s"]
    compare_names({"a.py": Line("sha256", "x"), "d/RECORD": Line("", "")}, present, "d", faults)
    assert not faults.problems
    compare_names({"a.py": Line("", "")}, ["a.py"], "d", faults)
    assert [problem.message for problem in faults.problems] == ["files without a digest in RECORD: 'a.py'"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_digest_is_compared(algorithm: str) -> None:
    right = urlsafe_b64encode(hashlib.new(algorithm, b"content").digest()).rstrip(b"=").decode()
    for told, differs in ((right, False), (right[::-1], True)):
        digest = Digest(Line(algorithm, told))
        digest.update(b"con")
        digest.update(b"tent")
        assert digest.differs is differs


@pytest.mark.parametrize("line", [None, Line("", ""), Line("md5", "x"), Line("unheard", "x")])
def test_what_has_no_digest_that_can_be_compared_does_not_differ(line: Line | None) -> None:
    digest = Digest(line)
    digest.update(b"content")
    assert not digest.differs


@given(st.binary(max_size=300))
def test_any_bytes_are_read(raw: bytes) -> None:
    parsed(raw)
