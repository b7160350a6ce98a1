from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.source.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Tree = dict[str, tuple[str, bytes | str, int, int]]

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: zstandard.ZstdCompressor(write_checksum=True).compress(content),
}


def member(name: str, content: bytes = b"", **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.mtime = 1_700_000_000
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def folder_of(name: str, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.DIRTYPE, mode=0o755, **more)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def tar_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as opened:
        for info, content in members:
            opened.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(*entries: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name, (2023, 11, 14, 22, 13, 20))
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(info, content)
    return buffer.getvalue()


def unpacked(content: bytes, tmp_path: Path, **bounds: int) -> Path:
    archive = tmp_path / "archive"
    archive.write_bytes(content)
    folder = tmp_path / "out" / "folder"
    unpack(archive, folder, **bounds)
    return folder


def refusal(content: bytes, tmp_path: Path, **bounds: int) -> str:
    """Return the message of the refusal; nothing is left behind by it."""
    with pytest.raises(BivyError) as caught:
        unpacked(content, tmp_path, **bounds)
    assert str(tmp_path / "archive") in str(caught.value)
    assert caught.value.hint
    assert list((tmp_path / "out").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "out"]
    return str(caught.value)


def tree(folder: Path) -> Tree:
    found: Tree = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name = str(path.relative_to(folder))
        mtime = int(status.st_mtime)
        assert status.st_mtime == mtime
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()), 0, mtime)
        elif path.is_dir():
            found[name] = ("folder", b"", stat.S_IMODE(status.st_mode), mtime)
        else:
            found[name] = ("file", path.read_bytes(), stat.S_IMODE(status.st_mode), mtime)
    return found


RELEASE = tar_of(
    folder_of("zlib-1.3", mtime=1_600_000_000),
    member("zlib-1.3/configure", b"#!/bin/sh\n", mode=0o4755, mtime=1_700_000_001.75, uid=1234, uname="somebody"),
    member("zlib-1.3/doc/very/deep/README", b"text", mode=0o600),
    symlink("zlib-1.3/doc/configure", "../configure"),
    hardlink("zlib-1.3/again", "zlib-1.3/configure"),
)


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_a_release_loses_its_own_folder_whatever_compressed_it(kind: str, tmp_path: Path) -> None:
    folder = unpacked(COMPRESSORS[kind](RELEASE), tmp_path)
    assert tree(folder) == {
        "again": ("file", b"#!/bin/sh\n", 0o755, 1_700_000_000),
        "configure": ("file", b"#!/bin/sh\n", 0o755, 1_700_000_000),
        "doc": ("folder", b"", 0o755, 0),
        "doc/configure": ("link", "../configure", 0, 1_700_000_000),
        "doc/very": ("folder", b"", 0o755, 0),
        "doc/very/deep": ("folder", b"", 0o755, 0),
        "doc/very/deep/README": ("file", b"text", 0o644, 1_700_000_000),
    }
    assert (folder.stat().st_mode & 0o777, folder.stat().st_mtime) == (0o755, 1_600_000_000)
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_files_straight_at_the_top_stay_there(tmp_path: Path) -> None:
    folder = unpacked(tar_of(folder_of("./"), member("./africa", b"zone"), member("./etc/asia")), tmp_path)
    assert sorted(tree(folder)) == ["africa", "etc", "etc/asia"]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_single_file_stays_a_file_in_the_folder(tmp_path: Path) -> None:
    assert sorted(tree(unpacked(tar_of(member("only", b"x")), tmp_path))) == ["only"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(form: int, tmp_path: Path) -> None:
    name = "top/" + "n" * 90 + "/" + "m" * 90
    folder = unpacked(tar_of(member(name, b"x"), member("top/é", b"y"), form=form), tmp_path)
    assert max(tree(folder)) == "é"
    assert (folder / name.removeprefix("top/")).read_bytes() == b"x"


def test_a_zip_archive_is_read_with_its_modes_times_and_links(tmp_path: Path) -> None:
    content = zip_of(
        ("top/", b"", stat.S_IFDIR | 0o700),
        ("top/run", b"#!/bin/sh\n", stat.S_IFREG | 0o700),
        ("top/plain", b"text", 0),
        ("top/link", b"run", stat.S_IFLNK | 0o777),
    )
    assert tree(unpacked(content, tmp_path)) == {
        "link": ("link", "run", 0, 1_700_000_000),
        "plain": ("file", b"text", 0o644, 1_700_000_000),
        "run": ("file", b"#!/bin/sh\n", 0o755, 1_700_000_000),
    }


def test_the_umask_changes_nothing(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = unpacked(RELEASE, tmp_path)
    finally:
        os.umask(before)
    assert {mode for kind, _, mode, _ in tree(folder).values() if kind == "folder"} == {0o755}


def test_a_file_that_comes_twice_is_the_later_one(tmp_path: Path) -> None:
    content = tar_of(member("a", b"old"), hardlink("b", "a"), member("a", b"new"), folder_of("c"), folder_of("./c/"))
    folder = unpacked(content, tmp_path)
    assert (folder / "a").read_bytes() == b"new"
    assert (folder / "b").read_bytes() == b"old"


HOSTILE: dict[str, tuple[list[tuple[tarfile.TarInfo, bytes]], str]] = {
    "absolute path": ([member("/tmp/evil", b"x")], "'/tmp/evil' has an absolute path"),
    "dots": ([member("top/../../evil", b"x")], "'top/../../evil' has .. in its path"),
    "dots that stay inside": ([member("top/a/../b", b"x")], "has .. in its path"),
    "folder outside": ([folder_of("..")], "'..' has .. in its path"),
    "absolute symlink": ([symlink("top/passwd", "/etc/passwd")], "'top/passwd' links to '/etc/passwd'"),
    "symlink outside": ([member("a"), symlink("b/l", "../../x")], "'b/l' links to '../../x', which is outside"),
    "symlink out of the release's folder": (
        [member("top/a"), symlink("top/l", "../top/a")],
        "'top/l' links to '../top/a', which is outside",
    ),
    "symlink outside by way of another": (
        [folder_of("top/a/b"), symlink("top/a/b/up", "../.."), symlink("top/l", "a/b/up/../x")],
        "'top/l' links to 'a/b/up/../x', which is outside",
    ),
    "symlink outside through what is not there": ([member("a"), symlink("b", "no/../../x")], "which is outside"),
    "file through a symlink": (
        [symlink("top/l", "sub"), folder_of("top/sub"), member("top/l/evil", b"x")],
        "'top/l/evil' is to be written through the link 'top/l'",
    ),
    "folder through a symlink": (
        [folder_of("top"), symlink("top/l", "."), folder_of("top/l/d")],
        "is to be written through the link",
    ),
    "file in place of a symlink": ([symlink("l", "/etc/passwd"), member("l", b"root")], "'l' is there twice"),
    "symlink in place of a folder": ([folder_of("d"), symlink("d", "/etc")], "'d' is there twice"),
    "file below a file": ([member("a", b"x"), member("a/b", b"x")], "'a/b' is below 'a', which is no folder"),
    "absolute hard link": ([hardlink("top/l", "/etc/passwd")], "'top/l' links to an absolute path"),
    "hard link outside": ([hardlink("top/l", "../x")], "'top/l' links to a path with .."),
    "hard link to nothing": ([hardlink("top/l", "top/x")], "'top/l' is a hard link to 'top/x', which is no file"),
    "hard link to a symlink": (
        [symlink("s", "a"), member("a"), hardlink("top/l", "s")],
        "'top/l' is a hard link to 's', which is no file",
    ),
    "hard link through a symlink": (
        [member("d/a"), symlink("s", "d"), hardlink("l", "s/a")],
        "'l' is a hard link to 's/a', which is no file",
    ),
    "device": ([member("top/null", type=tarfile.CHRTYPE)], "'top/null' is neither a file, a folder nor a link"),
    "block device": ([member("top/sda", type=tarfile.BLKTYPE)], "'top/sda' is neither a file"),
    "fifo": ([member("top/pipe", type=tarfile.FIFOTYPE)], "'top/pipe' is neither a file"),
    "unknown type": ([member("top/what", type=b"Z")], "'top/what' is neither a file"),
    "too long a name": ([member("n" * 300)], "has a name or a target that no file can have"),
    "too long a target": ([symlink("l", "t" * 5000)], "has a name or a target that no file can have"),
    "no target": ([symlink("l", "")], "has a name or a target that no file can have"),
    "nothing but the top": ([folder_of("./")], "there is nothing in it"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_would_leave_the_folder_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    members, expected = HOSTILE[kind]
    assert expected in refusal(tar_of(*members), tmp_path)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("../evil", b"x", 0)], "'../evil' has .. in its path"),
        ([("/evil", b"x", 0)], "'/evil' has an absolute path"),
        ([("l", b"../x", stat.S_IFLNK | 0o777)], "'l' links to '../x', which is outside"),
        ([("l", b"d", stat.S_IFLNK | 0o777), ("l/evil", b"x", 0)], "written through the link 'l'"),
        ([("l", b"t" * 5000, stat.S_IFLNK | 0o777)], "'l' is a link with too long a target"),
        ([("null", b"", stat.S_IFCHR | 0o666)], "'null' is neither a file, a folder nor a link"),
        ([], "there is nothing in it"),
    ],
)
def test_zip_archives_are_refused_for_the_same_reasons(
    entries: list[tuple[str, bytes, int]], expected: str, tmp_path: Path
) -> None:
    assert expected in refusal(zip_of(*entries), tmp_path)


def test_links_in_a_circle_lead_nowhere_and_stay(tmp_path: Path) -> None:
    folder = unpacked(tar_of(symlink("a", "b"), symlink("b", "a"), symlink("c", "c/c"), member("d")), tmp_path)
    assert (folder / "a").is_symlink()


@pytest.mark.parametrize("pack", [lambda c: tar_of(member("top/big", c)), lambda c: zip_of(("top/big", c, 0))])
def test_bounds_are_kept(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    content = pack(bytes(100_000))
    assert "'top/big' has 100000 bytes, more than the 99999 of a bound" in refusal(content, tmp_path, largest=99_999)
    assert "more than 90000 bytes when unpacked" in refusal(content, tmp_path, limit=90_000)
    assert "more than 0 members" in refusal(content, tmp_path, members=0)
    assert (unpacked(content, tmp_path, largest=100_000, limit=200_000, members=1) / "big").stat().st_size == 100_000


def test_a_sparse_file_counts_with_the_size_it_would_have(tmp_path: Path) -> None:
    info, _ = member("sparse", type=tarfile.GNUTYPE_SPARSE)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"00000000000\0"
    header[386:410] = b"00000000000\000000000000\0"
    header[483:495] = b"77777777777\0"  # 8 GiB
    header[148:156] = b"        "
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    assert "'sparse' has 8589934591 bytes" in refusal(bytes(header) + bytes(1024), tmp_path)


def test_a_header_larger_than_memory_is_refused(tmp_path: Path) -> None:
    info, _ = member("pax", type=tarfile.XHDTYPE)
    info.size = 8 << 30
    assert "a header in it has 8589934592 bytes" in refusal(info.tobuf(tarfile.GNU_FORMAT) + bytes(9000), tmp_path)


def test_zeros_without_end_after_the_archive_are_bounded(tmp_path: Path) -> None:
    content = gzip.compress(tar_of(member("a", b"x")) + bytes(5_000_000))
    assert "more than 1000000 bytes" in refusal(content, tmp_path, limit=1_000_000)


@pytest.mark.parametrize("kind", COMPRESSORS)
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.8])
def test_a_truncated_archive_is_refused(kind: str, kept: float, tmp_path: Path) -> None:
    noise = bytes((i * i * 7919 >> 5) & 0xFF for i in range(50_000))
    content = COMPRESSORS[kind](tar_of(member("top/a", noise), member("top/b", noise[::-1])))
    message = refusal(content[: int(len(content) * kept)], tmp_path)
    assert "truncated" in message or "damaged" in message


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_an_archive_that_lacks_its_last_byte_is_refused(kind: str, tmp_path: Path) -> None:
    assert "damaged" in refusal(COMPRESSORS[kind](RELEASE)[:-1], tmp_path)


def test_a_tar_that_ends_between_two_members_is_refused(tmp_path: Path) -> None:
    whole = tar_of(member("top/a", b"x" * 512), member("top/b", b"x" * 512), form=tarfile.USTAR_FORMAT)
    assert "its end is missing" in refusal(whole[:1024], tmp_path)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    whole = bytearray(tar_of(member("top/a", b"x" * 512), member("top/b", b"x" * 512), form=tarfile.USTAR_FORMAT))
    whole[1024] ^= 1
    assert "its end is missing" in refusal(bytes(whole), tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 50, b"\x1f\x8b", b"PK\3\4", bytes(2048)])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "is not unpacked" in refusal(content, tmp_path)


def test_an_encrypted_zip_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(zip_of(("a", b"x", 0)))
    struct.pack_into("<H", content, 6, 1)
    struct.pack_into("<H", content, content.index(b"PK\1\2") + 8, 1)
    assert "is encrypted" in refusal(bytes(content), tmp_path)


def test_a_folder_that_is_there_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "out" / "folder").mkdir(parents=True)
    (tmp_path / "out" / "folder" / "mine").write_text("mine")
    with pytest.raises(BivyError, match="cannot unpack"):
        unpacked(RELEASE, tmp_path)
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["folder", "mine"]


def test_an_archive_that_is_not_there_is_a_fault_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match=r"missing.tar.gz.*No such file"):
        unpack(tmp_path / "missing.tar.gz", tmp_path / "out")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)
TREES = st.recursive(
    st.binary(max_size=2000),
    lambda children: st.dictionaries(NAMES, children, max_size=4),
    max_leaves=12,
).filter(lambda found: isinstance(found, dict) and found)


def members_of(node: Mapping[str, Any], prefix: str) -> list[tuple[tarfile.TarInfo, bytes]]:
    found = []
    for name, child in node.items():
        if isinstance(child, bytes):
            found.append(member(prefix + name, child))
        else:
            found += [folder_of(prefix + name), *members_of(child, f"{prefix}{name}/")]
    return found


def read_back(folder: Path) -> dict[str, Any]:
    return {path.name: read_back(path) if path.is_dir() else path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=60, deadline=None)
@given(TREES, st.sampled_from(sorted(COMPRESSORS)))
def test_any_tree_comes_back_as_it_went_in(wanted: dict[str, Any], kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        content = COMPRESSORS[kind](tar_of(folder_of("top"), *members_of(wanted, "top/")))
        assert read_back(unpacked(content, Path(folder))) == wanted


PARTS = st.sampled_from(["a", "b", "c", "..", ".", "", "outside"])
PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)
MEMBERS = st.one_of(
    PATHS.map(lambda name: member(name, b"content")),
    PATHS.map(folder_of),
    st.tuples(PATHS, PATHS).map(lambda pair: symlink(*pair)),
    st.tuples(PATHS, PATHS).map(lambda pair: hardlink(*pair)),
)


def leads_nowhere(path: Path) -> bool:
    try:
        path.stat()
    except OSError as fault:
        return fault.errno == errno.ELOOP
    return False


def assert_inside(base: Path, content: bytes) -> None:
    """Unpack between two watched neighbours; whether refused or not, only the folder itself may be new."""
    neighbour = base / "out" / "outside"
    neighbour.mkdir(parents=True)
    (neighbour / "a").write_text("mine")
    try:
        folder = unpacked(content, base)
    except BivyError:
        assert not (base / "out" / "folder").exists()
    else:
        for path in folder.rglob("*"):
            if path.is_symlink() and not leads_nowhere(path):
                assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    assert {path.name for path in (base / "out").iterdir()} <= {"outside", "folder"}
    assert {path.name for path in base.iterdir()} == {"archive", "out"}
    assert read_back(neighbour) == {"a": b"mine"}


@settings(max_examples=200, deadline=None)
@given(st.lists(MEMBERS, max_size=8))
def test_no_members_lead_outside(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        assert_inside(Path(base), tar_of(*members))


ZIPPED = zip_of(("top/a", b"text" * 100, 0o644), ("top/l", b"a", stat.S_IFLNK | 0o777))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([RELEASE, ZIPPED, *(COMPRESSORS[kind](RELEASE) for kind in ("gz", "bz2", "xz", "zst"))]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5),
)
def test_no_damage_leads_outside_or_to_a_traceback(content: bytes, changes: list[tuple[float, bytes]]) -> None:
    damaged = bytearray(content)
    for place, replacement in changes:
        start = int(place * len(damaged))
        damaged[start : start + len(replacement)] = replacement
    with tempfile.TemporaryDirectory() as base:
        assert_inside(Path(base), bytes(damaged))
