"""A wheel is the same zip archive for the same files, and one that every program reads."""

from __future__ import annotations

import io
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from bivy.wheels.pack import Member, pack, record_of

EPOCH = 1_767_225_600
PATHS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\\/:"), min_size=1, max_size=12
)


@given(st.dictionaries(PATHS, st.tuples(st.binary(max_size=2000), st.booleans()), max_size=8))
def test_what_is_packed_comes_out_again(files: dict[str, tuple[bytes, bool]]) -> None:
    content = pack([Member(path, *rest) for path, rest in files.items()], EPOCH)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        found = {info.filename: archive.read(info) for info in archive.infolist()}
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert found == {path: rest[0] for path, rest in files.items()}
    assert modes == {path: 0o100755 if rest[1] else 0o100644 for path, rest in files.items()}


def test_the_order_of_the_files_does_not_matter_and_what_a_wheel_says_of_itself_comes_last() -> None:
    members = [Member("demo-1.0.dist-info/METADATA", b"x"), Member("z.py", b"z"), Member("a.py", b"a" * 1000)]
    assert pack(members, EPOCH) == pack(reversed(members), EPOCH)
    with zipfile.ZipFile(io.BytesIO(pack(members, EPOCH))) as archive:
        assert archive.namelist() == ["a.py", "z.py", "demo-1.0.dist-info/METADATA"]
        assert {info.date_time for info in archive.infolist()} == {(2026, 1, 1, 0, 0, 0)}


def test_a_time_before_zip_began_is_its_first() -> None:
    with zipfile.ZipFile(io.BytesIO(pack([Member("a", b"")], 0))) as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_record_names_every_file_with_its_digest_but_itself() -> None:
    record = record_of([Member("b.py", b""), Member('a,"b".py', b"x")], "demo-1.0.dist-info/RECORD")
    assert record.content.decode().splitlines() == [
        '"a,""b"".py",sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1',
        "b.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0",
        "demo-1.0.dist-info/RECORD,,",
    ]
