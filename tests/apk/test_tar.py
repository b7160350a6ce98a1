from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.tar import checksum_of, end_of_archive, read_members, write_members
from tests.apk.samples import DATE, ENTRIES, file, folder, hardlink, symlink


def archive_of(*entries: Entry) -> bytes:
    return write_members(entries, checksums=True) + end_of_archive()


def foreign(format_: int = tarfile.PAX_FORMAT, **more: object) -> bytes:
    """An archive with one member, written by Python's own module."""
    member = tarfile.TarInfo("name")
    for key, value in more.items():
        setattr(member, key, value)
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=format_) as archive:
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    return memory.getvalue()


def test_what_is_written_is_read_back_with_its_checksums() -> None:
    members = read_members(archive_of(*ENTRIES), "a.tar")
    assert tuple(member.entry for member in members) == ENTRIES
    assert [member.checksum for member in members] == [checksum_of(entry) for entry in ENTRIES]


def test_other_programs_read_the_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive_of(*ENTRIES))) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == [entry.path for entry in ENTRIES]
        assert [member.linkname for member in members] == [entry.target for entry in ENTRIES]
        assert [member.mode for member in members] == [entry.mode for entry in ENTRIES]
        assert [member.uname for member in members] == [entry.user for entry in ENTRIES]
        content = archive.extractfile(ENTRIES[2].path)
        assert content is not None
        assert content.read() == ENTRIES[2].content
        assert len(members[2].pax_headers["APK-TOOLS.checksum.SHA1"]) == 40


def test_extended_attributes_survive_whatever_bytes_they_hold() -> None:
    entry = file("a", b"x", xattrs=(("security.capability", b"\0\n=\xff"), ("user.b", b"")))
    assert read_members(archive_of(entry), "a.tar")[0].entry == entry


@pytest.mark.parametrize("length", [99, 100, 101, 155, 256, 3000])
def test_long_names_survive(length: int) -> None:
    entries = (file("n" * length, b"x"), folder("d" * length), symlink("l" * length, "t" * length))
    assert tuple(member.entry for member in read_members(archive_of(*entries), "a.tar")) == entries


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_other_programs_are_read(format_: int) -> None:
    name = "a/" * 45 + "b" * 60
    member = read_members(foreign(format_, name=name, size=5), "a.tar")[0]
    assert member.entry.path == name
    assert member.entry.content == bytes(5)
    assert member.checksum is None


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"),
        (tarfile.FIFOTYPE, "named pipe"),
        (b"g", "unknown type"),
        (b"S", "unknown type"),
    ],
)
def test_what_is_no_file_folder_or_link_is_refused_by_name(type_: bytes, message: str) -> None:
    with pytest.raises(ApkError, match=f"^a.tar, tar header at 0: name is .*{message}"):
        read_members(foreign(tarfile.USTAR_FORMAT, type=type_), "a.tar")


@pytest.mark.parametrize("key", ["size", "uid", "GNU.sparse.major", "hdrcharset"])
def test_records_that_programs_read_differently_are_refused(key: str) -> None:
    with pytest.raises(ApkError, match="does not follow"):
        read_members(foreign(pax_headers={key: "1"}), "a.tar")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:600], "700 bytes announced, 88 there"),
        (lambda data: data[:300], "truncated"),
        (lambda data: b"x" + data[1:], "checksum is wrong"),
        (lambda data: data.replace(b"ustar", b"otter"), "no tar header"),
        (lambda data: data + b"more" + bytes(508), "something follows the end"),
    ],
)
def test_a_damaged_archive_is_refused(damage: object, message: str) -> None:
    data = write_members([file("name", b"x" * 700)]) + end_of_archive()
    with pytest.raises(ApkError, match=message):
        read_members(damage(data), "a.tar")  # type: ignore[operator]


def test_a_link_with_content_is_refused() -> None:
    data = bytearray(write_members([file("name", b"content")]))
    data[156:157] = b"2"
    data[148:156] = f"{sum(data[:148]) + sum(data[156:512]) + 256:06o}\0 ".encode()
    with pytest.raises(ApkError, match="name is a symlink with content"):
        read_members(bytes(data), "a.tar")


@pytest.mark.parametrize(
    "entry",
    [
        Entry("a", Kind.FILE, 0o644, mtime=-1),
        Entry("a", Kind.FILE, 0o644, mtime=1 << 33),
        Entry("a", Kind.FILE, 0o644, uid=1 << 21),
        Entry("a", Kind.FILE, 0o644, user="u" * 32),
    ],
)
def test_what_does_not_fit_a_header_is_not_written(entry: Entry) -> None:
    with pytest.raises(ApkError, match=r"^a: .*does not fit a tar header"):
        write_members([entry])


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=120).map(
    lambda name: name.replace("/", "_")
)
entries = st.one_of(
    st.builds(file, names, st.binary(max_size=1100), st.integers(0, 0o7777)),
    st.builds(folder, names, st.integers(0, 0o7777)),
    st.builds(symlink, names, names),
    st.builds(hardlink, names, names),
)


@given(st.lists(entries, max_size=4))
def test_any_entries_survive(found: list[Entry]) -> None:
    assert [member.entry for member in read_members(archive_of(*found), "a.tar")] == found


@settings(max_examples=200)
@given(st.data())
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    archive = bytearray(archive_of(file("a", b"content", xattrs=(("user.a", b"b"),)), symlink("b", "a")))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    for start in range(0, len(archive) - 511, 512):
        # A header whose own checksum is right gets further in.
        if archive[start + 257 : start + 262] == b"ustar":
            header = archive[start : start + 512]
            total = sum(header[:148]) + sum(header[156:]) + 256
            archive[start + 148 : start + 156] = f"{total:06o}\0 ".encode()
    with contextlib.suppress(ApkError):
        read_members(bytes(archive), "a.tar")


def test_the_date_is_kept() -> None:
    assert read_members(archive_of(file("a")), "a.tar")[0].entry.mtime == DATE
