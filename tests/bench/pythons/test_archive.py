"""Debian's packages: which are needed, and their files, from an archive on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import lzma
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from bench.pythons.archive import DebianPackage, closure, data_of, fetch_index, parse_index, unpack_packages
from bench.pythons.debian import MANIFEST, complete, make_debian, read_manifest, write_manifest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError, UsageError
from bivy.progress import Silent
from bivy.source.places import Mirrors
from tests.loopback import Answer, Loopback, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NO_MIRRORS = Mirrors()


def ar(members: Mapping[str, bytes]) -> bytes:
    found = b"!<arch>\n"
    for name, content in members.items():
        found += f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(content):<10}`\n".encode() + content
        found += b"\n" * (len(content) % 2)
    return found


def tar(files: Mapping[str, bytes | str]) -> bytes:
    """Return an archive as dpkg-deb makes it; text is the target of a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folders = dict.fromkeys(str(parent) for name in files for parent in reversed(Path(name).parents))
        for folder in folders:
            info = tarfile.TarInfo("./" if folder == "." else f"./{folder}/")
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size, info.mode = len(content), 0o755
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def deb(files: Mapping[str, bytes | str]) -> bytes:
    return ar({"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": lzma.compress(tar(files))})


PACKAGES = {
    "base-files": ("14", "", deb({"bin": "usr/bin", "usr/bin/.keep": b""})),
    "python9.9": (
        "9.9.1-1",
        "Depends: libpython9.9 (= 9.9.1-1), media-types | mime-support, debconf",
        deb({"bin/python9.9": b"python"}),
    ),
    "libpython9.9": (
        "9.9.1-1",
        "Pre-Depends: c-library (>= 2)\nProvides: python-library",
        deb({"usr/lib/libpython": b"library"}),
    ),
    "libc6": (
        "2.43-7",
        "Provides: c-library (= 2.43)",
        deb({"usr/lib/libc.so.6": b"libc", "usr/lib/libc.so": "libc.so.6"}),
    ),
    "mime-support": ("1", "", deb({"etc/mime.types": b"mime"})),
}


@contextlib.contextmanager
def archive() -> Iterator[Loopback]:
    with serve() as site:
        stanzas = []
        for name, (version, more, content) in PACKAGES.items():
            path = f"pool/main/{name}.deb"
            site.files[f"/{path}"] = content
            stanzas.append(
                f"Package: {name}\nVersion: {version}\nDescription: long\n Depends: nothing\n{more}\n".replace(
                    "\n\n", "\n"
                )
                + f"Filename: {path}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
            )
        site.files["/dists/sid/main/binary-amd64/Packages.xz"] = lzma.compress("\n".join(stanzas).encode())
        yield site


def index_of(site: Loopback) -> dict[str, DebianPackage]:
    return fetch_index("sid", "amd64", mirrors=NO_MIRRORS, progress=Silent(), archives=(site.url(),))


def unpacked(site: Loopback, place: Path) -> list[DebianPackage]:
    packages = closure(index_of(site), ["python9.9", "base-files"], without=("debconf",))
    unpack_packages(
        packages, place / "root", cache=place / "cache", mirrors=NO_MIRRORS, progress=Silent(), archives=(site.url(),)
    )
    return packages


def test_packages_come_with_all_that_they_need(tmp_path: Path) -> None:
    with archive() as site:
        packages = unpacked(site, tmp_path)
    assert [package.name for package in packages] == [
        "base-files",
        "libc6",
        "libpython9.9",
        "mime-support",
        "python9.9",
    ]
    root = tmp_path / "root"
    # Through the link that the first package brought.
    assert (root / "usr/bin/python9.9").read_bytes() == b"python"
    assert (root / "bin").is_symlink()
    assert (root / "usr/lib/libc.so").resolve().read_bytes() == b"libc"


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path) -> None:
    with archive() as site:
        packages = unpacked(site, tmp_path)
        before = len(site.requests)
        unpack_packages(
            packages,
            tmp_path / "again",
            cache=tmp_path / "cache",
            mirrors=NO_MIRRORS,
            progress=Silent(),
            archives=(site.url(),),
        )
        assert len(site.requests) == before
    assert (tmp_path / "again/usr/bin/python9.9").read_bytes() == b"python"


def test_a_download_that_breaks_off_goes_on_from_there(tmp_path: Path) -> None:
    with archive() as site:
        site.answers["/pool/main/libc6.deb"] = [Answer(bytes_sent=100)]
        unpacked(site, tmp_path)
        assert ("/pool/main/libc6.deb", "bytes=100-") in site.requests


def test_a_package_with_another_digest_than_the_index_says_is_refused(tmp_path: Path) -> None:
    with archive() as site:
        site.files["/pool/main/libc6.deb"] = deb({"usr/lib/libc.so.6": b"evil"})
        with pytest.raises(BivyError, match=r"libc6 2\.43-7 could not be fetched"):
            unpacked(site, tmp_path)
    assert not (tmp_path / "root").exists()


def test_the_versions_that_were_unpacked_are_written_down(tmp_path: Path) -> None:
    with archive() as site:
        packages = unpacked(site, tmp_path)
    write_manifest(tmp_path / "root", packages)
    assert read_manifest(tmp_path / "root")["python9.9"] == "9.9.1-1"
    assert json.loads((tmp_path / "root" / MANIFEST).read_bytes())["libc6"]["path"] == "pool/main/libc6.deb"
    assert read_manifest(tmp_path) == {}


def test_a_damaged_list_of_what_was_unpacked_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("[1]")
    with pytest.raises(BivyError, match=MANIFEST):
        read_manifest(tmp_path)


def test_an_archive_without_the_suite_is_named() -> None:
    with serve() as site, pytest.raises(BivyError, match=r"index of Debian's sid.*\n.*404"):
        index_of(site)


def test_an_index_that_is_damaged_is_passed_over_for_the_next_archive() -> None:
    with archive() as site, serve() as broken:
        broken.files["/dists/sid/main/binary-amd64/Packages.xz"] = b"not xz"
        found = fetch_index("sid", "amd64", mirrors=Mirrors((broken.url(),)), progress=Silent(), archives=(site.url(),))
    assert "python9.9" in found


def test_where_no_archive_is_known_it_says_how_to_name_one() -> None:
    with pytest.raises(BivyError, match="no Debian archive") as refused:
        fetch_index("sid", "amd64", mirrors=NO_MIRRORS, progress=Silent(), archives=())
    assert "--mirror" in (refused.value.hint or "")


def test_a_python_that_does_not_run_leaves_no_folder(tmp_path: Path) -> None:
    with archive() as site:
        extra = "Package: {0}\nVersion: 1\nFilename: pool/main/mime-support.deb\nSHA256: {1}\n"
        digest = hashlib.sha256(PACKAGES["mime-support"][2]).hexdigest()
        text = lzma.decompress(site.files["/dists/sid/main/binary-amd64/Packages.xz"]).decode()
        text += "".join(
            "\n" + extra.format(name, digest) for name in ("dash", "coreutils", "libc-bin", "netbase", "debconf")
        )
        for arch in ("amd64", "arm64"):
            site.files[f"/dists/sid/main/binary-{arch}/Packages.xz"] = lzma.compress(text.encode())
        with pytest.raises(BivyError, match="does not compile its library"):
            make_debian(
                tmp_path / "root", cache=tmp_path / "cache", mirrors=NO_MIRRORS, progress=Silent(), series="9.9",
                archives=(site.url(),),
            )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_folder_that_is_there_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        make_debian(tmp_path, cache=tmp_path, mirrors=NO_MIRRORS, progress=Silent(), archives=())


def test_a_suite_without_that_python_is_refused(tmp_path: Path) -> None:
    with archive() as site, pytest.raises(UsageError, match=r"no package python3\.14"):
        make_debian(tmp_path / "root", cache=tmp_path, mirrors=NO_MIRRORS, progress=Silent(), archives=(site.url(),))


def test_what_packages_need_and_nobody_has_is_named() -> None:
    index = parse_index("Package: a\nVersion: 1\nFilename: a.deb\nSHA256: 0\nDepends: b (>= 1) | c\n")
    with pytest.raises(BivyError, match="no package b or c, which a asked for"):
        closure(index, ["a"])


def test_files_that_are_there_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("mine")
    complete(tmp_path, {"hosts": "other", "new/file": "text"}, ["folder"])
    assert (tmp_path / "hosts").read_text() == "mine"
    assert (tmp_path / "new/file").read_text() == "text"
    assert (tmp_path / "folder").is_dir()


@pytest.mark.parametrize("compress", [lzma.compress, zstandard.compress, bytes])
def test_the_files_of_a_package_are_found_however_they_are_compressed(compress: object) -> None:
    assert callable(compress)
    content = tar({"a": b"b"})
    assert data_of(ar({"debian-binary": b"2.0\n", "x": b"odd", "data.tar.zst": compress(content)}), "a.deb") == content


@pytest.mark.parametrize(
    "content",
    [b"", b"!<arch>\n", ar({"debian-binary": b"2.0\n"}), deb({"a": b"b"})[:-40], ar({"data.tar.xz": b"\xfd7zXZ\0x"}),
     ar({"data.tar.xz": b"no archive"}), b"!<arch>\n" + b"x" * 60],
)  # fmt: skip
def test_what_is_no_package_is_refused_with_its_name(content: bytes) -> None:
    with pytest.raises(BivyError, match=r"a\.deb"):
        data_of(content, "a.deb")


@given(st.binary(max_size=300))
def test_whatever_bytes_there_are_a_package_is_read_or_refused(content: bytes) -> None:
    for candidate in (content, b"!<arch>\n" + content, ar({"data.tar.xz": content})):
        with contextlib.suppress(BivyError):
            data_of(candidate, "a.deb")


@given(st.text())
def test_whatever_text_there_is_an_index_is_read(text: str) -> None:
    for package in parse_index(text).values():
        assert package.name


@pytest.mark.parametrize("name", ["../outside", "/absolute"])
def test_a_package_writes_nothing_outside_the_folder(tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        made.addfile(tarfile.TarInfo(name))
    content = ar({"data.tar": buffer.getvalue()})
    with serve() as site:
        site.files["/a.deb"] = content
        package = DebianPackage("a", "1", "a.deb", hashlib.sha256(content).hexdigest())
        with pytest.raises(BivyError, match=r"a\.deb"):
            unpack_packages(
                [package], tmp_path / "root", cache=tmp_path / "cache", mirrors=NO_MIRRORS, progress=Silent(),
                archives=(site.url(),),
            )  # fmt: skip
    assert not (tmp_path / "outside").exists()
