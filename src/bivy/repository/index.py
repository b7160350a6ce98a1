"""A folder of packages becomes a repository: its index written, its packages and index signed."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bivy.apk.errors import ApkError
from bivy.apk.index import IndexEntry, index_entry, read_index, write_index
from bivy.apk.package import read_package
from bivy.apk.sign import format_public_key, read_signed, signature_segment
from bivy.arch import ARCHES
from bivy.compression import gzip
from bivy.errors import BivyError
from bivy.files import write_whole
from bivy.progress import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bivy.apk.sign import Signer
    from bivy.progress import Progress

INDEX = "APKINDEX.tar.gz"
_BOUND = 1 << 29
# apk reads both since 2.7, and nobody can make two indexes that have the same SHA-256. But apk 2.12 crashes when it is
# given the file of a package that is signed so; there SHA-1 adds no weakness, since the format knows packages by it.
_SHA256_IN_INDEXES = True
_SHA256_IN_PACKAGES = False


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index that was written.

    Attributes:
        path: Its file.
        arch: The architecture that it is for.
        entries: The packages in it.
        signed_by: The name of the key that it is signed with, empty where it is not.
        changed: Whether it is another than was there.
    """

    path: Path
    arch: str
    entries: tuple[IndexEntry, ...]
    signed_by: str
    changed: bool


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a repository's folder, waiting for another process to let go of it; it leaves no file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def architecture_folders(folder: Path) -> list[Path]:
    """Find the folders that get an index each: those in a repository called like architectures, or the folder itself.

    Raises:
        BivyError: There are no packages in either place.
    """
    if not folder.is_dir():
        raise BivyError(f"{folder} is not a folder", hint="a repository is a folder with ARCH/*.apk in it")
    found = sorted(path for path in folder.iterdir() if path.is_dir() and (path.name in ARCHES or _has_packages(path)))
    if _has_packages(folder):
        if found:
            raise BivyError(
                f"{folder} has packages in it, and folders of packages too",
                hint="packages belong into a folder called like their architecture: x86_64",
            )
        return [folder]
    if not found:
        raise BivyError(f"there are no packages in {folder}", hint="a repository is a folder with ARCH/*.apk in it")
    return found


def index_repository(folder: Path, *, description: str, signer: Signer | None, progress: Progress) -> list[Indexed]:
    """Write the index of each architecture in a repository, and the public key beside them.

    Args:
        folder: The repository, with a folder for each architecture in it, or one such folder.
        description: What the repository calls itself, such as its version; empty keeps what an index says already.
        signer: Who signs the indexes; not signed without.
        progress: Who watches.

    Raises:
        BivyError: A package is damaged or in the wrong place; each is named, and that index stays as it was.
    """
    folders = architecture_folders(folder)
    done = [index_folder(each, description=description, signer=signer, progress=progress) for each in folders]
    if signer and folders != [folder]:
        publish_key(folder, signer)
    return done


def index_folder(folder: Path, *, description: str, signer: Signer | None, progress: Progress) -> Indexed:
    """Write the index of the packages of one architecture.

    Raises:
        BivyError: As `index_repository`.
    """
    task = f"index {folder}"
    progress.begin(task)
    outcome = Outcome.FAILED
    detail = ""
    try:
        with alone(folder):
            arch, entries = _read_entries(folder)
            path = folder / INDEX
            text = description or _description_of(path)
            # One compressor in one version: the same packages give the same bytes on every machine.
            told = replace(signer, sha256=_SHA256_IN_INDEXES) if signer else None
            content = write_index(entries, text, told, compress=gzip)
            changed = not path.is_file() or path.read_bytes() != content
            if changed:
                write_whole(path, content)
        outcome = Outcome.DONE if changed else Outcome.CACHED
        detail = f"{len(entries)} packages"
    finally:
        progress.end(task, outcome, detail)
    return Indexed(path, arch, tuple(entries), signer.name if signer else "", changed)


def publish_key(folder: Path, signer: Signer) -> None:
    """Put the public key into a repository's folder, for its users to fetch.

    Raises:
        BivyError: Another key is there under that name.
    """
    path = folder / signer.name
    text = format_public_key(signer.key.public)
    if not path.exists():
        write_whole(path, text.encode())
    elif path.read_text("utf-8", errors="replace") != text:
        raise BivyError(f"{path} is another key than the one that signs", hint="move it away, or sign with its own")


def sign_file(path: Path, signer: Signer) -> bool:
    """Sign a package or an index, in the place of who signed it before.

    Returns:
        Whether it changed: what the key has signed already, as it would be signed now, stays as it is.

    Raises:
        ApkError: It is neither, or damaged; it stays as it was.
        BivyError: It cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise BivyError(f"cannot read {path}: {fault.strerror}") from None
    signed = sign_bytes(content, signer, str(path))
    if signed == content:
        return False
    write_whole(path, signed)
    return True


def sign_bytes(content: bytes, signer: Signer, where: str) -> bytes:
    """Return a package or an index signed; the same bytes where the key has signed it already.

    Raises:
        ApkError: It is neither, or damaged.
    """
    parts = read_signed(content, _BOUND, where)
    names = {member.entry.path for member in parts.members}
    if ".PKGINFO" in names:
        to_sign, sha256 = content[parts.start : parts.end], _SHA256_IN_PACKAGES
        read_package(content)
    elif "APKINDEX" in names:
        to_sign, sha256 = content[parts.start :], _SHA256_IN_INDEXES
        read_index(content, None, where)
    else:
        raise ApkError(f"{where} is neither a package nor an index", hint="such as foo-1.0-r0.apk or APKINDEX.tar.gz")
    mtime = parts.members[0].entry.mtime
    segment = signature_segment(replace(signer, sha256=sha256), to_sign, mtime, compress=gzip)
    return segment + content[parts.start :]


def sign_repository(folder: Path, signer: Signer, progress: Progress) -> tuple[int, list[Indexed]]:
    """Sign all packages of a repository, and write its indexes anew, since a signature changes a package's size.

    Returns:
        How many packages changed, and the indexes.

    Raises:
        ApkError: A package is damaged.
        BivyError: As `index_repository`.
    """
    changed = 0
    for each in architecture_folders(folder):
        with alone(each):
            changed += sum(sign_file(path, signer) for path in _packages(each))
    return changed, index_repository(folder, description="", signer=signer, progress=progress)


def _read_entries(folder: Path) -> tuple[str, list[IndexEntry]]:
    """Read what the packages of a folder say of themselves, and which architecture they are for."""
    entries: list[IndexEntry] = []
    faults: list[str] = []
    for path in _packages(folder):
        try:
            package = read_package(path)
        except ApkError as fault:
            faults.append(str(fault))
            continue
        name = f"{package.info.name}-{package.info.version}.apk"
        if path.name != name:
            faults.append(f"{path} has another name than apk will ask for: {name}")
        entries.append(index_entry(package))
    arches = sorted({entry.arch for entry in entries} - {"noarch"})
    arch = folder.name if folder.name in ARCHES or not arches else arches[0]
    faults += (
        f"{folder}/{entry.name}-{entry.version}.apk is for {entry.arch}, the folder for {arch}"
        for entry in entries
        if entry.arch not in (arch, "noarch")
    )
    if faults:
        raise BivyError(
            "\n".join([f"no index was written of {folder}:", *(f"  {fault}" for fault in faults)]),
            hint="rename, remove or build these packages again",
        )
    # apk looks for a package in the folder of the architecture that the index says.
    return arch, [replace(entry, arch=arch) for entry in entries]


def _description_of(path: Path) -> str:
    """Return what an index says that its repository is called; nothing where there is no index or a damaged one."""
    with contextlib.suppress(OSError, ApkError, UnicodeDecodeError):
        members = read_signed(path.read_bytes(), _BOUND, str(path)).members
        return next((m.entry.content.decode() for m in members if m.entry.path == "DESCRIPTION"), "")
    return ""


def _packages(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.apk") if path.is_file() and not path.name.startswith("."))


def _has_packages(folder: Path) -> bool:
    return bool(_packages(folder))
