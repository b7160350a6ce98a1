from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.musl.archives.wheel import open_wheel, read_wheel
from bivy.musl.archives.zipped import Bounds
from tests.musl.archives.making import ELF, METADATA, NAME, make_wheel, patched, record_of, wheel_files, zip_of

if TYPE_CHECKING:
    from bivy.musl.archives.wheel import Wheel

FLAGS, METHOD, CRC, COMPRESSED, SIZE = 8, 10, 16, 20, 24  # places in a member's entry in the list of members
LOCAL_FLAGS, LOCAL_METHOD = 6, 8


def wheel_of(content: bytes, name: str = NAME, bounds: Bounds | None = None) -> Wheel:
    return read_wheel(io.BytesIO(content), name, name, bounds=bounds)


def messages(wheel: Wheel) -> str:
    return "\n".join(problem.message for problem in wheel.problems)


def whole(wheel: Wheel) -> str:
    """Read everything in a wheel and return all that is wrong with it."""
    wheel.check_contents()
    return messages(wheel)


def test_a_sound_wheel_says_what_it_is_and_has_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-1-cp314-abi3-musllinux_1_2_x86_64.musllinux_1_1_x86_64.whl"
    path.write_bytes(make_wheel({"demo/_fast.abi3.so": ELF}, WHEEL=b"Tag: cp314-abi3-musllinux_1_2_x86_64\n"))
    with open_wheel(path) as wheel:
        assert (wheel.file_name.name, wheel.file_name.version, wheel.file_name.build) == ("demo", "1.0", "1")
        assert {str(tag) for tag in wheel.file_name.tags} == {
            "cp314-abi3-musllinux_1_2_x86_64",
            "cp314-abi3-musllinux_1_1_x86_64",
        }
        assert {str(tag) for tag in wheel.inner_tags} == {"cp314-abi3-musllinux_1_2_x86_64"}
        assert wheel.metadata
        assert (wheel.metadata.name, wheel.metadata.version) == ("demo", "1.0")
        assert wheel.metadata.requires == ("other>=2",)
        assert wheel.metadata.requires_python == ">=3.9"
        assert [member.path for member in wheel.members][:2] == ["demo/__init__.py", "demo/_fast.abi3.so"]
        assert wheel.members[1].size == len(ELF)
        assert wheel.read("demo/__init__.py") == b"answer = 42\n"
        assert list(wheel.binaries()) == [("demo/_fast.abi3.so", ELF)]
        assert whole(wheel) == ""


def test_binaries_are_found_by_their_content_whatever_they_are_called() -> None:
    files = {
        "demo/data.txt": ELF,
        "demo/_fast.so": ELF,
        "demo-1.0.data/scripts/tool": ELF,
        "demo.libs/libz-1a2b.so.1.3": ELF,
        "demo/_fake.so": b"\x7fELG" + bytes(60),
        "demo/empty.so": b"",
    }
    found = [path for path, _ in wheel_of(make_wheel(files)).binaries()]
    assert found == ["demo/_fast.so", "demo-1.0.data/scripts/tool", "demo.libs/libz-1a2b.so.1.3", "demo/data.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"not a zip", "is no zip archive"),
        (b"<!DOCTYPE html><html><body>Not found", "a page of a web site"),
        (b"\x1f\x8b\x08\0" + bytes(100), "is no zip archive"),
        (make_wheel()[:-200], "cut off or damaged"),
        (make_wheel()[:40], "cut off or damaged"),
    ],
)
def test_what_is_no_zip_archive_is_an_error_that_says_so(content: bytes, message: str) -> None:
    with pytest.raises(BivyError, match=message):
        wheel_of(content)


def test_a_wheel_that_is_not_there_or_a_folder_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / NAME, tmp_path):
        with pytest.raises(BivyError, match="cannot read"), open_wheel(path):
            pass


@pytest.mark.parametrize("name", ["demo.whl", "demo-1.0.zip", "demo-1.0-py3-none.whl", "-.whl", "a" * 300, ""])
def test_a_file_name_that_is_not_a_wheels_is_a_problem_and_the_rest_is_read(name: str) -> None:
    wheel = wheel_of(make_wheel(), name)
    assert "is not the file name of a wheel" in messages(wheel)
    assert wheel.metadata
    assert wheel.metadata.name == "demo"


def test_a_file_name_with_endless_tags_is_not_written_out() -> None:
    parts = ".".join(["x"] * 1000)
    assert "is not the file name" in messages(wheel_of(make_wheel(), f"demo-1.0-{parts}-{parts}-{parts}.whl"))
    wheel = wheel_of(make_wheel(WHEEL=f"Tag: {parts}-{parts}-{parts}\nTag: py3-none-any\n".encode()))
    assert "tags in WHEEL that cannot be read" in messages(wheel)
    assert {str(tag) for tag in wheel.inner_tags} == {"py3-none-any"}


def test_another_name_or_version_inside_than_outside_is_a_problem() -> None:
    said = messages(wheel_of(make_wheel(METADATA=b"Metadata-Version: 2.1\nName: d-e_m.o\nVersion: 2\n")))
    assert "its file name says 'demo', its metadata 'd-e_m.o'" in said
    assert "its file name says version '1.0', its metadata '2'" in said


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../outside.py", "leads out"),
        ("demo/../../outside.py", "leads out"),
        ("/etc/passwd", "leads out"),
        ("C:/windows.py", "leads out"),
        ("..\\outside.py", "leads out"),
        ("demo\\module.py", "not every program reads in the same way"),
        ("demo//module.py", "not every program reads in the same way"),
        ("demo/./module.py", "not every program reads in the same way"),
        ("", "not every program reads in the same way"),
        ("demo/\x1b[31m.py", "not every program reads in the same way"),
    ],
)
def test_a_path_that_leads_elsewhere_is_a_problem(path: str, message: str) -> None:
    wheel = wheel_of(make_wheel({path: b"x"}))
    assert message in messages(wheel)
    assert repr(path or "(no name)") in messages(wheel)
    assert wheel.read("demo/__init__.py") == b"answer = 42\n"


def test_a_name_that_is_there_twice_is_a_problem_and_the_last_one_counts() -> None:
    memory = io.BytesIO(make_wheel())
    with zipfile.ZipFile(memory, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("demo/__init__.py", b"answer = 43\n")
    wheel = wheel_of(memory.getvalue())
    assert "more than once, the last of which was read: 'demo/__init__.py'" in messages(wheel)
    assert len({member.path for member in wheel.members}) == len(wheel.members)
    assert wheel.read("demo/__init__.py") == b"answer = 43\n"
    assert "content is not what RECORD says: 'demo/__init__.py'" in messages(wheel)


def test_an_encrypted_member_is_a_problem_and_the_rest_is_read() -> None:
    content = patched(make_wheel({"demo/_fast.so": ELF}), "demo/_fast.so", FLAGS, b"\1\0", local=LOCAL_FLAGS)
    wheel = wheel_of(content)
    assert "members that are encrypted: 'demo/_fast.so'" in messages(wheel)
    assert list(wheel.binaries()) == []
    with pytest.raises(BivyError, match="encrypted"):
        wheel.read("demo/_fast.so")
    assert wheel.read("demo/__init__.py")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 6, 65535])
def test_a_method_of_compression_that_wheels_do_not_use_is_a_problem(method: int) -> None:
    raw = struct.pack("<H", method)
    wheel = wheel_of(patched(make_wheel({"demo/_fast.so": ELF}), "demo/_fast.so", METHOD, raw, local=LOCAL_METHOD))
    assert "compressed in another way than stored or deflated, and were not read: 'demo/_fast.so'" in messages(wheel)
    assert list(wheel.binaries()) == []


@pytest.mark.parametrize(
    ("announced", "kind"), [(1, "more bytes"), (len(ELF) + 50, "fewer bytes"), ((1 << 31) + 1, "too large")]
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_size_that_lies_is_a_problem_in_both_directions(announced: int, kind: str, method: int) -> None:
    content = zip_of(wheel_files({"demo/_fast.so": ELF}), method)
    wheel = wheel_of(patched(content, "demo/_fast.so", SIZE, struct.pack("<I", announced), local=22))
    assert list(wheel.binaries()) == []
    assert kind in messages(wheel)
    assert "'demo/_fast.so'" in messages(wheel)
    assert wheel.read("demo/__init__.py")


def test_a_bomb_whose_size_is_announced_or_not_is_not_blown_up() -> None:
    bomb = make_wheel({"demo/_bomb.so": ELF + bytes(200 << 20)})
    lying = patched(bomb, "demo/_bomb.so", SIZE, struct.pack("<I", 1000), local=22)
    bounds = Bounds(largest=10 << 20)
    for content, kind in ((bomb, "too large to be read"), (lying, "more bytes than")):
        tracemalloc.start()
        wheel = wheel_of(content, bounds=bounds)
        assert list(wheel.binaries()) == []
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert kind in messages(wheel)
        assert peak < 30 << 20


def test_many_members_together_are_not_blown_up_either() -> None:
    content = make_wheel({f"demo/_{number}.so": ELF + bytes(1 << 20) for number in range(20)})
    wheel = wheel_of(content, bounds=Bounds(total=5 << 20))
    assert len(list(wheel.binaries())) == 4
    assert "those before them have more bytes than bivy reads" in messages(wheel)


def test_more_than_any_wheel_shrinks_is_not_blown_up_either() -> None:
    content = make_wheel({f"demo/_{number}.so": ELF + bytes(32 << 20) for number in range(10)})
    assert len(content) < 1 << 20
    wheel = wheel_of(content)
    wheel.check_contents()
    assert "those before them have more bytes than bivy reads" in messages(wheel)


def test_a_file_that_was_read_is_not_read_again() -> None:
    wheel = wheel_of(make_wheel({"demo/_fast.so": ELF + bytes(3 << 20)}), bounds=Bounds(total=4 << 20))
    assert len(list(wheel.binaries())) == 1
    assert whole(wheel) == ""


def test_members_that_share_bytes_are_a_problem() -> None:
    content = make_wheel({"demo/a.py": b"a" * 100, "demo/b.py": b"b" * 100})
    first = content.index(b"demo/a.py") - 30
    wheel = wheel_of(patched(content, "demo/b.py", 42, struct.pack("<I", first)))
    assert "share bytes with another member" in messages(wheel)
    assert "members that are damaged: 'demo/b.py'" in whole(wheel)


def test_a_damaged_member_is_a_problem_and_the_rest_is_read() -> None:
    content = bytearray(zip_of(wheel_files({"demo/_fast.so": ELF, "demo/_good.so": ELF + b"!"}), zipfile.ZIP_STORED))
    content[content.index(ELF) + 50] ^= 1
    wheel = wheel_of(bytes(content))
    assert [path for path, _ in wheel.binaries()] == ["demo/_good.so"]
    assert "members that are damaged: 'demo/_fast.so'" in messages(wheel)


def test_a_member_that_is_a_link_is_a_problem() -> None:
    memory = io.BytesIO(make_wheel())
    with zipfile.ZipFile(memory, "a") as archive:
        link = zipfile.ZipInfo("demo/libx.so")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, b"/lib/libx.so.1")
    assert "members that are links" in messages(wheel_of(memory.getvalue()))


def test_a_record_that_is_missing_is_a_problem() -> None:
    assert "demo-1.0.dist-info/RECORD is missing" in messages(wheel_of(make_wheel(RECORD=None)))


def test_files_that_differ_from_record_are_problems() -> None:
    files = wheel_files({"demo/a.py": b"a", "demo/b.py": b"b"})
    record = record_of({**files, "demo/a.py": b"other", "demo/absent.py": b""}).replace(b"demo/b.py", b"demo/c.py")
    files["demo-1.0.dist-info/RECORD"] = record
    said = whole(wheel_of(zip_of(files)))
    assert "files whose content is not what RECORD says: 'demo/a.py'" in said
    assert "files that RECORD has and the wheel has not: 'demo/c.py', 'demo/absent.py'" in said
    assert "files that the wheel has and RECORD has not: 'demo/b.py'" in said


def test_a_wrong_digest_is_noted_for_a_binary_that_is_read() -> None:
    files = wheel_files({"demo/_fast.so": ELF})
    wheel = wheel_of(zip_of({**files, "demo/_fast.so": ELF + b"changed"}))
    assert len(list(wheel.binaries())) == 1
    assert [problem.message for problem in wheel.problems] == [
        "files whose content is not what RECORD says: 'demo/_fast.so'"
    ]
    assert wheel.problems[0].subject == NAME


def test_dist_info_that_is_missing_or_there_twice_is_a_problem() -> None:
    assert "there is no .dist-info folder in it" in messages(wheel_of(zip_of({"demo.py": b""})))
    wheel = wheel_of(zip_of({"aaa-1.dist-info/METADATA": b"Name: aaa\n", **wheel_files()}))
    assert "more than one .dist-info folder" in messages(wheel)
    assert wheel.dist_info == "demo-1.0.dist-info"
    assert wheel.metadata
    assert wheel.metadata.name == "demo"


@pytest.mark.parametrize("part", ["METADATA", "WHEEL"])
def test_a_missing_part_of_dist_info_is_a_problem(part: str) -> None:
    assert f"demo-1.0.dist-info/{part} is missing" in messages(wheel_of(make_wheel(**{part: None})))


def test_metadata_that_is_not_utf_8_is_a_problem_and_the_rest_is_read() -> None:
    wheel = wheel_of(make_wheel(METADATA=METADATA.replace(b"other>=2", b"\xff\xfe")))
    assert "not UTF-8" in messages(wheel)
    assert wheel.metadata
    assert wheel.metadata.version == "1.0"


def test_metadata_without_end_is_not_read() -> None:
    wheel = wheel_of(make_wheel(METADATA=METADATA + bytes(20 << 20)))
    assert wheel.metadata is None
    assert "too large to be read: 'demo-1.0.dist-info/METADATA'" in messages(wheel)


def test_a_wheel_of_100_000_files_is_read_and_its_faults_are_few_sentences() -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for number in range(100_000):
            archive.writestr(zipfile.ZipInfo(f"demo/{number}.py"), b"")
        for path, content in wheel_files({"demo/_fast.so": ELF}).items():
            archive.writestr(path, content)
    wheel = wheel_of(memory.getvalue())
    assert len(wheel.members) == 100_005
    assert [path for path, _ in wheel.binaries()] == ["demo/_fast.so"]
    assert len(wheel.problems) == 1
    assert "files that the wheel has and RECORD has not: 'demo/0.py'" in messages(wheel)
    assert "and 99995 more" in messages(wheel)


def test_a_list_of_members_beyond_the_bounds_is_not_read() -> None:
    content = make_wheel({f"demo/{number}.py": b"" for number in range(50)})
    with pytest.raises(BivyError, match="more than 20 members"):
        wheel_of(content, bounds=Bounds(members=20))
    with pytest.raises(BivyError, match="its list of members has"):
        wheel_of(content, bounds=Bounds(directory=1000))


def test_zip64_is_read() -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in wheel_files({"demo/_fast.so": ELF}).items():
            with archive.open(path, "w", force_zip64=True) as file:
                file.write(content)
    content = memory.getvalue()
    # The end of the list in the form of zip64, as an archive with more than 65,535 members has it.
    end = content.rindex(b"PK\5\6")
    count, size, offset = struct.unpack("<HII", content[end + 10 : end + 20])
    zip64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    wheel = wheel_of(content[:end] + zip64 + locator + last)
    assert list(wheel.binaries()) == [("demo/_fast.so", ELF)]
    assert whole(wheel) == ""


def test_names_are_shown_so_that_a_terminal_takes_nothing_for_a_command() -> None:
    assert "\x1b" not in messages(wheel_of(make_wheel({"../\x1b[2J": b"x"})))


def read_all(content: bytes) -> None:
    """Read everything as a check would; nothing but a `BivyError` may come of it."""
    try:
        wheel = wheel_of(content, bounds=Bounds(total=64 << 20, largest=16 << 20))
    except BivyError:
        return
    list(wheel.binaries())
    wheel.check_contents()
    for problem in wheel.problems:
        assert problem.message


SOUND = make_wheel({"demo/_fast.so": ELF, "demo/text.txt": zlib.compress(b"x" * 5000)})


@given(st.binary(max_size=2000))
def test_any_bytes_end_in_a_value_or_an_error(content: bytes) -> None:
    read_all(content)
    read_all(b"PK\3\4" + content)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6),
    st.integers(0, len(SOUND)),
    st.booleans(),
)
def test_a_changed_wheel_ends_in_a_value_or_an_error(changes: list[tuple[int, bytes]], cut: int, shorten: bool) -> None:
    content = bytearray(SOUND)
    for place, value in changes:
        content[place : place + len(value)] = value
    read_all(bytes(content[:cut] + content[cut + 7 :] if shorten else content))


DIRECTORY = SOUND.index(b"PK\1\2")


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(DIRECTORY, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_changed_list_of_members_ends_in_a_value_or_an_error(changes: list[tuple[int, int]]) -> None:
    content = bytearray(SOUND)
    for place, value in changes:
        content[place] = value
    read_all(bytes(content))


@given(st.dictionaries(st.text(max_size=30).filter(lambda name: "\0" not in name), st.binary(max_size=200), max_size=6))
def test_any_files_in_a_wheel_end_in_a_value_or_an_error(files: dict[str, bytes]) -> None:
    try:
        content = zip_of({**wheel_files(), **files})
    except UnicodeEncodeError:
        return
    read_all(content)


@given(st.binary(max_size=500), st.binary(max_size=500), st.binary(max_size=500))
def test_any_bytes_in_dist_info_end_in_a_value(metadata: bytes, tags: bytes, record: bytes) -> None:
    read_all(make_wheel(METADATA=METADATA[:40] + metadata, WHEEL=b"Tag:" + tags, RECORD=record))
