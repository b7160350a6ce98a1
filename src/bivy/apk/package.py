"""Packages: Alpine's format, version 2, written, read and unpacked.

A package is a row of gzip streams: signatures, control (``.PKGINFO`` and scripts; a tar archive without its end),
data (a tar archive). The signature is over the control stream, the control stream holds the SHA-256 of the data
stream, and SHA-1 of the control stream is what an index knows the package by.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from dataclasses import dataclass, replace

from bivy.apk import segments, tar
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.info import PackageInfo, format_pkginfo, parse_pkginfo
from bivy.apk.sign import check_signatures, read_signed, signature_segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.apk.sign import PublicKey, Signer

SCRIPTS = (
    "pre-install", "post-install", "pre-deinstall", "post-deinstall", "pre-upgrade", "post-upgrade", "trigger",
)  # fmt: skip
_CONTROL_BOUND = 1 << 24
_DATA_BOUND = 1 << 32
_BLOCK = 4096
_AGAIN = "fetch or build it again"


@dataclass(frozen=True, slots=True)
class Control:
    """What a package's control segment says.

    Attributes:
        info: What the package says of itself.
        scripts: What runs when it is installed or removed, by apk's names (``post-install``, ``trigger``).
        checksum: What an index knows it by: ``Q1`` and SHA-1 of the control segment in base64.
        size: Bytes of the file.
    """

    info: PackageInfo
    scripts: Mapping[str, bytes]
    checksum: str
    size: int


@dataclass(frozen=True, slots=True)
class Package:
    """A package with all that is in it.

    Attributes:
        info: What it says of itself.
        entries: Its files, directories and links; directories before what is in them.
        scripts: What runs when it is installed or removed, by apk's names (``post-install``, ``trigger``).
        checksum: What an index knows it by: ``Q1`` and SHA-1 of the control segment in base64.
        size: Bytes of the file.
    """

    info: PackageInfo
    entries: tuple[Entry, ...]
    scripts: Mapping[str, bytes]
    checksum: str
    size: int


@dataclass(frozen=True, slots=True)
class _Parts:
    """A package's control, unpacked, and where its data begins."""

    control: Control
    data_start: int


def format_checksum(sha1: bytes) -> str:
    """Return a SHA-1 as apk writes it in indexes and its database."""
    return "Q1" + binascii.b2a_base64(sha1, newline=False).decode()


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _check_path(path: str, where: str) -> None:
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ApkError(f"{where}: {path!r} is not a path below the root")
    if path.startswith("."):
        raise ApkError(f"{where}: {path} would be taken for a part of the control segment")


def _leaves_root(entry: Entry) -> bool:
    """Tell whether a symlink's target, followed word by word, goes above the root."""
    depth = 0 if entry.target.startswith("/") else entry.path.count("/")
    for part in entry.target.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False


def _check_entries(entries: Iterable[Entry], where: str) -> None:
    """Refuse what apk would not install, or what would be installed outside the root."""
    kinds: dict[str, Kind] = {"": Kind.DIRECTORY}
    for entry in entries:
        _check_path(entry.path, where)
        if entry.path in kinds:
            raise ApkError(f"{where}: {entry.path} is there twice")
        if kinds.get(_parent(entry.path)) is not Kind.DIRECTORY:
            raise ApkError(f"{where}: {entry.path} is in a folder that is not in the package before it")
        if entry.kind is Kind.SYMLINK and (not entry.target or _leaves_root(entry)):
            raise ApkError(f"{where}: the link {entry.path} leads outside, to {entry.target!r}")
        if entry.kind is Kind.HARDLINK and kinds.get(entry.target) is not Kind.FILE:
            raise ApkError(f"{where}: {entry.path} is another name of {entry.target!r}, which is no file before it")
        kinds[entry.path] = entry.kind


def _with_parents(entries: Iterable[Entry], mtime: int) -> dict[str, Entry]:
    """Return entries by path, with the folders that none of them stands for."""
    by_path: dict[str, Entry] = {}
    for entry in entries:
        if entry.path in by_path:
            raise ApkError(f"{entry.path} is there twice")
        by_path[entry.path] = entry
    for path in list(by_path):
        while (path := _parent(path)) and path not in by_path:
            by_path[path] = Entry(path, Kind.DIRECTORY, 0o755, mtime=mtime)
    return by_path


def _files_before_links(by_path: dict[str, Entry]) -> dict[str, Entry]:
    """Make the first in order of several names of a file the one that has the content, as tar has it."""
    names: dict[str, list[str]] = {}
    for entry in by_path.values():
        if entry.kind is Kind.HARDLINK:
            names.setdefault(entry.target, [entry.target]).append(entry.path)
    arranged = dict(by_path)
    for target, group in names.items():
        first = min(group)
        if first == target or target not in by_path or by_path[target].kind is not Kind.FILE:
            continue
        arranged[first] = replace(by_path[target], path=first)
        for path in group:
            if path != first:
                arranged[path] = replace(by_path[path], kind=Kind.HARDLINK, target=first, content=b"")
    return arranged


def _arrange(entries: Iterable[Entry], mtime: int) -> tuple[Entry, ...]:
    by_path = _files_before_links(_with_parents(entries, mtime))
    return tuple(by_path[path] for path in sorted(by_path))


def _installed_size(entries: Iterable[Entry]) -> int:
    """Return the bytes that entries take in blocks, the folder that they are in included, as abuild counts them.

    So it is never 0: a package of size 0 would be one that apk does not unpack.
    """
    blocks = 1
    for entry in entries:
        if entry.kind is Kind.FILE:
            blocks += -(-len(entry.content) // _BLOCK)
        elif entry.kind is Kind.DIRECTORY:
            blocks += 1
    return blocks * _BLOCK


def _control_segment(info: PackageInfo, scripts: Mapping[str, bytes], compress: Callable[[bytes], bytes]) -> bytes:
    unknown = sorted(set(scripts) - set(SCRIPTS))
    if unknown:
        raise ApkError(f"package {info.name}: no script is called {unknown[0]}", hint="known are " + ", ".join(SCRIPTS))
    pkginfo = format_pkginfo(info).encode()
    entries = [Entry(".PKGINFO", Kind.FILE, 0o644, mtime=info.build_date, content=pkginfo)]
    entries += (
        Entry(f".{name}", Kind.FILE, 0o755, mtime=info.build_date, content=scripts[name])
        for name in SCRIPTS
        if name in scripts
    )
    return compress(tar.write_members(entries))


def write_package(
    info: PackageInfo,
    entries: Iterable[Entry],
    scripts: Mapping[str, bytes] | None = None,
    *,
    signer: Signer | None = None,
    compress: Callable[[bytes], bytes] = segments.compress,
) -> bytes:
    """Return a package as the bytes of its file: the same for the same arguments, in whatever order entries come.

    Folders that have no entry get one, root's own with mode 0755 and the package's date.

    Args:
        info: What it says of itself; the installed size and the hash of the data are filled in here.
        entries: Its files, directories and links.
        scripts: What runs when it is installed or removed, by apk's names (``post-install``, ``trigger``).
        signer: Who signs it; not signed without.
        compress: What makes a gzip stream of bytes. The default is this Python's zlib, which gives other bytes where it
            is another version; who wants the same on every machine brings its own.

    Raises:
        ApkError: apk would refuse, misread or partly ignore it.
    """
    arranged = _arrange(entries, info.build_date)
    _check_entries(arranged, f"package {info.name}-{info.version}")
    data = compress(tar.write_members(arranged, checksums=True) + tar.end_of_archive())
    filled = replace(info, installed_size=_installed_size(arranged), data_hash=hashlib.sha256(data).hexdigest())
    control = _control_segment(filled, scripts or {}, compress)
    signature = signature_segment(signer, control, info.build_date) if signer else b""
    return signature + control + data


def _read_source(source: Path | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, "the package"
    try:
        return source.read_bytes(), str(source)
    except OSError as fault:
        raise ApkError(f"cannot read {source}: {fault.strerror}") from None


def _parse_control(members: Sequence[tar.Member], where: str) -> tuple[PackageInfo, dict[str, bytes]]:
    contents: dict[str, bytes] = {}
    for member in members:
        entry = member.entry
        if not entry.path.startswith(".") or entry.kind is not Kind.FILE or entry.path in contents:
            raise ApkError(f"{where}: {entry.path} does not belong in the control segment")
        contents[entry.path] = entry.content
    if ".PKGINFO" not in contents:
        raise ApkError(f"{where} has no .PKGINFO", hint="is it a package of Alpine's, version 2?")
    try:
        info = parse_pkginfo(contents[".PKGINFO"].decode())
    except UnicodeDecodeError:
        raise ApkError(f"{where}: .PKGINFO is not UTF-8") from None
    except ApkError as fault:
        raise ApkError(f"{where}: {fault}", hint=fault.hint) from None
    return info, {name: contents[f".{name}"] for name in SCRIPTS if f".{name}" in contents}


def _read_parts(source: bytes, keys: Mapping[str, PublicKey] | None, where: str) -> _Parts:
    signed = read_signed(source, _CONTROL_BOUND, where)
    control = source[signed.start : signed.end]
    if keys is not None:
        check_signatures(signed.signatures, control, keys, where)
    info, scripts = _parse_control(signed.members, where)
    checksum = format_checksum(hashlib.sha1(control, usedforsecurity=False).digest())
    return _Parts(Control(info, scripts, checksum, len(source)), signed.end)


def read_info(source: Path | bytes, keys: Mapping[str, PublicKey] | None = None) -> Control:
    """Read what a package says of itself, without its data.

    Args:
        source: The package's file or its bytes.
        keys: The public keys to trust, by the name of their file; ``None`` takes it unsigned or signed by anyone.

    Raises:
        ApkError: It is not a sound package up to there, or not signed by one of the keys.
    """
    content, where = _read_source(source)
    return _read_parts(content, keys, where).control


def check_package(content: bytes, where: str = "the package") -> Control:
    """Check that a package's file is whole, by the hash of its data, without unpacking that.

    Whether it is the right one is for who knows its checksum, or its key, to say.

    Args:
        content: The file's bytes.
        where: What the file is called, for messages.

    Raises:
        ApkError: It is damaged or cut off.
    """
    parts = _read_parts(content, None, where)
    _check_data_hash(content, parts.data_start, parts.control.info.data_hash, where)
    return parts.control


def _check_checksums(members: Iterable[tar.Member], where: str) -> None:
    for member in members:
        checksum = tar.checksum_of(member.entry)
        if checksum is None:
            continue
        if member.checksum is None:
            raise ApkError(f"{where}: {member.entry.path} has no checksum", hint="abuild-tar --hash adds it")
        if member.checksum != checksum:
            raise ApkError(f"{where}: {member.entry.path} is not what its checksum says", hint=_AGAIN)


def _check_data_hash(source: bytes, start: int, data_hash: str, where: str) -> None:
    if start == len(source):
        raise ApkError(f"{where} is truncated: it has no data segment", hint=_AGAIN)
    if not data_hash:
        raise ApkError(f"{where}: .PKGINFO has no datahash", hint="it is of an older format")
    if hashlib.sha256(memoryview(source)[start:]).hexdigest() != data_hash.lower():
        raise ApkError(f"{where}: the data segment is not what .PKGINFO says (datahash)", hint=_AGAIN)


def _read_data(source: bytes, start: int, data_hash: str, where: str) -> tuple[Entry, ...]:
    _check_data_hash(source, start, data_hash, where)
    content, end = segments.read_segment(source, start, _DATA_BOUND, where)
    if end != len(source):
        raise ApkError(f"{where}: something follows the data segment, at byte {end}")
    members = tar.read_members(content, where)
    _check_entries((member.entry for member in members), where)
    _check_checksums(members, where)
    return tuple(member.entry for member in members if not member.entry.path.rpartition("/")[2].startswith(".keep_"))


def read_package(source: Path | bytes, keys: Mapping[str, PublicKey] | None = None, where: str = "") -> Package:
    """Read a package and check that it is whole: the hash of its data, each file's checksum, where each entry goes.

    Files whose name begins with ``.keep_`` are left out: they keep a folder and apk never installs them.

    Args:
        source: The package's file or its bytes.
        keys: The public keys to trust, by the name of their file; ``None`` takes it unsigned or signed by anyone.
        where: What to call it in messages; the file's path without.

    Raises:
        ApkError: It is not a sound package, not signed by one of the keys, or holds what has no place in a tree: a
            device, an absolute path or one with ``..``, a link that leads outside. The message names the file and
            the member.
    """
    content, path = _read_source(source)
    where = where or path
    parts = _read_parts(content, keys, where)
    control = parts.control
    entries = _read_data(content, parts.data_start, control.info.data_hash, where)
    return Package(control.info, entries, control.scripts, control.checksum, control.size)


def _place(root: str, path: str) -> Path:
    """Return where an entry goes, after following the folder's own links; never outside `root`."""
    from pathlib import Path

    parent = os.path.realpath(os.path.join(root, _parent(path)), strict=True)
    if parent != root and not parent.startswith(root.rstrip("/") + "/"):
        raise ApkError(f"{path} would be written to {parent}, outside {root}: a link leads there")
    return Path(parent, path.rpartition("/")[2])


def _write_file(place: Path, entry: Entry) -> None:
    # A new file each time: what was there may be another name of a file elsewhere.
    place.unlink(missing_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(entry.content)
        os.fchmod(descriptor, entry.mode & 0o777 | 0o400)
    os.utime(place, (entry.mtime, entry.mtime))


def _extract_entry(root: str, entry: Entry) -> None:
    place = _place(root, entry.path)
    if entry.kind is Kind.DIRECTORY:
        if not place.is_dir():
            place.mkdir()
        if not place.is_symlink():
            place.chmod(entry.mode & 0o777 | 0o700)
        return
    if place.is_dir() and not place.is_symlink():
        raise ApkError(f"{entry.path} is a folder already")
    if entry.kind is Kind.FILE:
        _write_file(place, entry)
    elif entry.kind is Kind.SYMLINK:
        place.unlink(missing_ok=True)
        place.symlink_to(entry.target)
    else:
        source = _place(root, entry.target)
        place.unlink(missing_ok=True)
        os.link(source, place, follow_symlinks=False)


def extract(package: Package, folder: Path) -> None:
    """Unpack a package's entries into a folder, as whoever runs this: for a sysroot, not for an image.

    Owners, setuid bits and extended attributes are left out, the owner may always read; several packages may share
    a folder. Links inside the folder are followed as long as they stay inside. Where it fails, part is there.

    Raises:
        ApkError: An entry cannot be written, or a link that is there already leads outside.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        root = os.path.realpath(folder, strict=True)
        for entry in package.entries:
            _extract_entry(root, entry)
    except OSError as fault:
        raise ApkError(
            f"package {package.info.name} cannot be unpacked into {folder}: {fault.strerror} ({fault.filename})"
        ) from None
