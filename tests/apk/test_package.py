from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.info import format_pkginfo
from bivy.apk.package import Package, extract, read_info, read_package, write_package
from bivy.apk.segments import compress, read_segment
from bivy.apk.sign import Signer, generate_key
from bivy.apk.tar import end_of_archive, write_members
from tests.apk.samples import DATE, ENTRIES, INFO, SCRIPTS, demo, file, folder, hardlink, symlink


def made(entries: Iterable[Entry], *, archive: bytes | None = None, checksums: bool = True) -> bytes:
    """A package whose parts fit together, with entries that bivy itself would not write."""
    if archive is None:
        archive = write_members(entries, checksums=checksums) + end_of_archive()
    data = compress(archive)
    info = replace(INFO, data_hash=hashlib.sha256(data).hexdigest())
    return compress(write_members([file(".PKGINFO", format_pkginfo(info).encode())])) + data


def segments_of(package: bytes) -> list[bytes]:
    found, start = [], 0
    while start < len(package):
        _, end = read_segment(package, start, 1 << 24, "package")
        found.append(package[start:end])
        start = end
    return found


def test_what_is_written_is_read_back_with_size_and_hash_filled_in() -> None:
    content = write_package(INFO, ENTRIES, SCRIPTS)
    package = read_package(content)
    control, data = segments_of(content)
    assert package.entries == ENTRIES
    assert package.scripts == SCRIPTS
    assert package.info == replace(INFO, installed_size=8 * 4096, data_hash=hashlib.sha256(data).hexdigest())
    assert package.size == len(content)
    assert package.checksum == "Q1" + base64.b64encode(hashlib.sha1(control).digest()).decode()


def test_the_same_contents_give_the_same_bytes_in_whatever_order_they_come() -> None:
    shuffled = list(ENTRIES)
    random.Random(3).shuffle(shuffled)
    backwards = dict(reversed(SCRIPTS.items()))
    assert write_package(INFO, shuffled, backwards) == write_package(INFO, ENTRIES, SCRIPTS)


def test_the_streams_carry_no_name_and_no_time() -> None:
    for segment in segments_of(write_package(INFO, ENTRIES, SCRIPTS)):
        assert segment[:8] == b"\x1f\x8b\x08\0\0\0\0\0"


def test_the_control_segment_is_cut_and_the_data_segment_ends() -> None:
    control, data = (gzip.decompress(segment) for segment in segments_of(write_package(INFO, ENTRIES, SCRIPTS)))
    assert not control.endswith(bytes(1024))
    assert data.endswith(bytes(1024))


def test_a_package_is_never_of_size_0_which_apk_would_not_unpack() -> None:
    assert read_package(write_package(INFO, [])).info.installed_size > 0


def test_folders_without_an_entry_get_one() -> None:
    package = read_package(write_package(INFO, [file("usr/share/doc/readme", b"x")]))
    assert package.entries[:3] == (folder("usr"), folder("usr/share"), folder("usr/share/doc"))


def test_the_first_of_several_names_of_a_file_has_the_content() -> None:
    package = read_package(
        write_package(INFO, [hardlink("a/x", "a/z"), file("a/z", b"content"), hardlink("a/y", "a/z")])
    )
    assert package.entries[1:] == (file("a/x", b"content"), hardlink("a/y", "a/x"), hardlink("a/z", "a/x"))


@pytest.mark.parametrize("sha256", [False, True])
def test_a_signed_package_is_taken_for_its_key_only(signer: Signer, sha256: bool) -> None:
    content = write_package(INFO, ENTRIES, signer=replace(signer, sha256=sha256))
    keys = {signer.name: signer.key.public}
    assert read_package(content, keys).entries == ENTRIES
    assert read_info(content, keys).info.name == "demo"
    with pytest.raises(ApkError, match=r"signed by tests@example\.org-0001\.rsa\.pub, whose key is not trusted"):
        read_package(content, {})
    with pytest.raises(ApkError, match=r"the signature by .* is wrong"):
        read_package(content, {signer.name: generate_key(1024).public})
    with pytest.raises(ApkError, match="is not signed"):
        read_package(write_package(INFO, ENTRIES), keys)


def test_a_signature_does_not_fit_another_package(signer: Signer) -> None:
    signature = segments_of(write_package(INFO, ENTRIES, signer=signer))[0]
    other = write_package(replace(INFO, version="2"), ENTRIES)
    with pytest.raises(ApkError, match="is wrong"):
        read_info(signature + other, {signer.name: signer.key.public})


def test_what_a_package_says_is_read_without_its_data() -> None:
    control, _ = segments_of(write_package(INFO, ENTRIES, SCRIPTS))
    said = read_info(control)
    assert said.info.name == "demo"
    assert said.scripts == SCRIPTS
    assert said.checksum == demo().checksum


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([file("/etc/passwd")], "'/etc/passwd' is not a path below the root"),
        ([file("../passwd")], "'../passwd' is not a path"),
        ([folder("a"), file("a/../b")], "'a/../b' is not a path"),
        ([folder("a"), file("a/./b")], "'a/./b' is not a path"),
        ([folder("a"), file("a//b")], "'a//b' is not a path"),
        ([file(".hidden")], "part of the control segment"),
        ([file("a"), file("a")], "a is there twice"),
        ([file("a/b")], "a/b is in a folder that is not in the package before it"),
        ([file("a"), file("a/b")], "a/b is in a folder that is not"),
        ([symlink("a", "/etc"), file("a/passwd")], "a/passwd is in a folder that is not"),
        ([symlink("a", "..")], "the link a leads outside, to '..'"),
        ([folder("a"), symlink("a/b", "../../etc")], "the link a/b leads outside"),
        ([symlink("a", "/b/../../c")], "the link a leads outside"),
        ([symlink("a", "")], "the link a leads outside"),
        ([hardlink("a", "/etc/passwd")], "a is another name of '/etc/passwd'"),
        ([hardlink("a", "b"), file("b")], "a is another name of 'b', which is no file before it"),
        ([folder("a"), hardlink("b", "a")], "b is another name of 'a'"),
        ([symlink("a", "b"), hardlink("b", "a")], "b is another name of 'a'"),
    ],
)
def test_an_entry_that_has_no_place_in_a_tree_is_refused_by_name(entries: list[Entry], message: str) -> None:
    with pytest.raises(ApkError) as caught:
        read_package(made(entries))
    assert message in str(caught.value)
    assert str(caught.value).startswith("the package: ")


def test_a_file_without_or_with_a_wrong_checksum_is_refused() -> None:
    with pytest.raises(ApkError, match="name has no checksum"):
        read_package(made([file("name", b"x")], checksums=False))
    archive = write_members([file("name", b"content")], checksums=True)
    with pytest.raises(ApkError, match="name is not what its checksum says"):
        read_package(made([], archive=archive.replace(b"content", b"changed")))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:0], "truncated at byte 0"),
        (lambda data: b"MZ" + data, "damaged"),
        (lambda data: data[:100], "truncated at byte 100"),
        (lambda data: segments_of(data)[0], "no data segment"),
        (lambda data: data[:-9], "datahash"),
        (lambda data: data + b"more", "datahash"),
        (lambda data: segments_of(data)[1], "has no .PKGINFO|does not belong in the control segment"),
        (lambda data: segments_of(data)[0] * 2, "datahash"),
    ],
)
def test_a_package_that_is_not_whole_is_refused(damage: Callable[[bytes], bytes], message: str, tmp_path: Path) -> None:
    path = tmp_path / "demo.apk"
    path.write_bytes(damage(write_package(INFO, ENTRIES)))
    with pytest.raises(ApkError, match=rf"demo\.apk.*({message})"):
        read_package(path)


def test_what_follows_the_data_is_refused_even_with_a_fitting_hash() -> None:
    data = compress(end_of_archive()) + compress(end_of_archive())
    info = replace(INFO, data_hash=hashlib.sha256(data).hexdigest())
    control = compress(write_members([file(".PKGINFO", format_pkginfo(info).encode())]))
    with pytest.raises(ApkError, match="something follows the data segment"):
        read_package(control + data)


def test_a_control_segment_that_unpacks_without_end_is_refused() -> None:
    with pytest.raises(ApkError, match="unpacks to more than"):
        read_package(compress(bytes(1 << 25)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ApkError, match=r"cannot read .*/none\.apk: No such file"):
        read_package(tmp_path / "none.apk")


@pytest.mark.parametrize(
    ("entries", "scripts", "message"),
    [
        ([file("a"), file("a")], {}, "a is there twice"),
        ([file(".a")], {}, "control segment"),
        ([symlink("a", "../b")], {}, "leads outside"),
        ([], {"preinstall": b""}, "no script is called preinstall"),
    ],
)
def test_what_apk_would_refuse_or_ignore_is_not_written(
    entries: list[Entry], scripts: dict[str, bytes], message: str
) -> None:
    with pytest.raises(ApkError, match=message):
        write_package(INFO, entries, scripts)


def test_files_that_only_keep_a_folder_are_left_out() -> None:
    package = read_package(write_package(INFO, [folder("a"), file("a/.keep_dir-1")]))
    assert package.entries == (folder("a"),)


def test_a_genuine_package_is_read(genuine: Path) -> None:
    package = read_package(genuine / "alpine-baselayout-3.2.0-r23.apk")
    assert package.info.name == "alpine-baselayout"
    assert package.info.version == "3.2.0-r23"
    assert package.info.depends == ("alpine-baselayout-data=3.2.0-r23", "/bin/sh", "so:libc.musl-aarch64.so.1")
    assert package.checksum == "Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc="
    assert set(package.scripts) == {"pre-install", "post-install", "pre-upgrade", "post-upgrade"}
    by_path = {entry.path: entry for entry in package.entries}
    assert by_path["etc/crontabs/root"].mode == 0o600
    assert by_path["var/run"].kind is Kind.SYMLINK
    written = read_package(write_package(package.info, package.entries, package.scripts))
    assert set(written.entries) == set(package.entries)


def test_a_package_is_unpacked_with_its_modes_dates_and_links(tmp_path: Path) -> None:
    extract(demo(), tmp_path / "root")
    root = tmp_path / "root"
    for entry in ENTRIES:
        place = root / entry.path
        if entry.kind is Kind.SYMLINK:
            assert str(place.readlink()) == entry.target
        elif entry.kind is Kind.DIRECTORY:
            assert place.stat().st_mode & 0o777 == entry.mode & 0o777
        else:
            assert place.stat().st_mode & 0o7777 == entry.mode & 0o777
            assert place.stat().st_mtime == DATE
            assert entry.kind is Kind.HARDLINK or place.read_bytes() == entry.content
    assert (root / "usr/bin/demo").samefile(root / "usr/bin/demo-again")


def test_packages_share_a_folder_and_a_later_one_replaces_files(tmp_path: Path) -> None:
    first = read_package(write_package(INFO, [file("a/x", b"old", 0o400), hardlink("a/y", "a/x"), symlink("lib", "a")]))
    extract(first, tmp_path)
    extract(first, tmp_path)
    second = read_package(write_package(INFO, [file("lib/x", b"new")]))
    extract(second, tmp_path)
    assert (tmp_path / "a/x").read_bytes() == b"new"
    assert (tmp_path / "a/y").read_bytes() == b"old", "another name of the file that was there is not written through"


@pytest.mark.parametrize("target", ["{outside}", "../outside", "inner/../../outside"])
@pytest.mark.parametrize("entries", [[file("link/x", b"bad")], [folder("link/x")], [symlink("link/x", "y")]])
def test_nothing_is_written_through_a_link_that_leads_outside(
    target: str, entries: list[Entry], tmp_path: Path
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "inner").mkdir(parents=True)
    outside.mkdir()
    (root / "link").symlink_to(target.format(outside=outside))
    package = read_package(write_package(INFO, entries))
    with pytest.raises(ApkError, match=r"link/x would be written to .*outside"):
        extract(package, root)
    assert list(outside.iterdir()) == []


def test_a_file_replaces_a_link_and_is_not_written_where_it_leads(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.write_bytes(b"kept")
    (root / "x").symlink_to(outside)
    extract(read_package(write_package(INFO, [file("x", b"new")])), root)
    assert outside.read_bytes() == b"kept"
    assert (root / "x").read_bytes() == b"new"
    assert not (root / "x").is_symlink()


def test_a_hard_link_is_not_made_to_what_lies_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root.mkdir()
    (root / "a").symlink_to(outside)
    bad = replace(demo(), entries=(hardlink("b", "a/secret"),))
    with pytest.raises(ApkError, match=r"outside"):
        extract(bad, root)
    assert not (root / "b").exists()


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ApkError, match="a is a folder already"):
        extract(read_package(write_package(INFO, [file("a")])), tmp_path)
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(ApkError, match=r"demo cannot be unpacked into .*: File exists"):
        extract(read_package(write_package(INFO, [folder("b")])), tmp_path)
    (tmp_path / "c").symlink_to("c")
    with pytest.raises(ApkError, match=r"demo cannot be unpacked into .*: File exists \(.*/c\)"):
        extract(read_package(write_package(INFO, [file("c/x")])), tmp_path)


VALID = write_package(INFO, ENTRIES, SCRIPTS)
ARCHIVE = gzip.decompress(segments_of(VALID)[1])


def read_or_refuse(content: bytes) -> Package | None:
    try:
        return read_package(content)
    except ApkError:
        return None


@settings(max_examples=300)
@given(st.data())
def test_a_package_changed_anywhere_is_refused_or_the_same(data: st.DataObject) -> None:
    content = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    found = read_or_refuse(bytes(content))
    # gzip's header has bytes that mean nothing, and are part of the checksum nevertheless.
    assert found is None or replace(found, checksum="") == replace(demo(), checksum="")


@given(st.integers(0, len(VALID) - 1), st.binary(min_size=1, max_size=40))
def test_a_package_cut_short_or_made_longer_is_refused(length: int, more: bytes) -> None:
    assert read_or_refuse(VALID[:length]) is None
    assert read_or_refuse(VALID + more) is None


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_hostile_archive_in_a_sound_package_never_gets_outside(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    archive = bytearray(ARCHIVE)
    headers = [start for start in range(0, len(archive), 512) if archive[start + 257 : start + 262] == b"ustar"]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.sampled_from(headers))
        place = data.draw(st.one_of(st.integers(0, 20), st.integers(156, 180), st.integers(100, 160)))
        value = data.draw(st.sampled_from([b"../x", b"/", b"..", b"2", b"1", b"5", b"0", b"\0", b"usr/"]))
        archive[start + place : start + place + len(value)] = value
        total = sum(archive[start : start + 148]) + sum(archive[start + 156 : start + 512]) + 256
        archive[start + 148 : start + 156] = f"{total:06o}\0 ".encode()
    found = read_or_refuse(made([], archive=bytes(archive)))
    if found is not None:
        around = tmp_path_factory.mktemp("around")
        with contextlib.suppress(ApkError):
            extract(found, around / "root")
        assert {path.name for path in around.iterdir()} <= {"root"}
