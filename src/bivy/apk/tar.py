"""The tar archives inside packages and indexes, written one way and read strictly.

The format is POSIX.1-2017 pax, section "pax Interchange Format", with abuild-tar's record ``APK-TOOLS.checksum.SHA1``
(of a file's content or a symlink's target) and star's ``SCHILY.xattr.`` for extended attributes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCK = 512
_NAME = 100
_LONGEST_PATH = 4000
_CHECKSUM = b"APK-TOOLS.checksum.SHA1"
_XATTR = b"SCHILY.xattr."
_TYPES = {Kind.FILE: b"0", Kind.HARDLINK: b"1", Kind.SYMLINK: b"2", Kind.DIRECTORY: b"5"}
_KINDS = {b"0": Kind.FILE, b"7": Kind.FILE, b"1": Kind.HARDLINK, b"2": Kind.SYMLINK, b"5": Kind.DIRECTORY}
_SPECIAL = {b"3": "a character device", b"4": "a block device", b"6": "a named pipe"}
# Programs differ in whether they follow these records, so a file with them means several things.
_AMBIGUOUS = re.compile(rb"size|uid|gid|uname|gname|hdrcharset|GNU\.sparse\..*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Member:
    """An entry as it is in an archive.

    Attributes:
        entry: The entry.
        checksum: The SHA-1 that the archive gives for it, if it does.
    """

    entry: Entry
    checksum: bytes | None = None


def end_of_archive() -> bytes:
    """Return what an archive ends with, where it is not cut to be followed by another."""
    return bytes(2 * _BLOCK)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _BLOCK)


def _octal(value: int, width: int, path: str, what: str) -> bytes:
    digits = f"{value:0{width - 1}o}".encode()
    if value < 0 or len(digits) >= width:
        raise ApkError(f"{path}: {what} {value} does not fit a tar header")
    return digits + b"\0"


def _header(entry: Entry, kind: bytes, name: bytes, target: bytes, size: int) -> bytes:
    user, group = entry.user.encode(), entry.group.encode()
    if len(user) > 31 or len(group) > 31:
        raise ApkError(f"{entry.path}: the name of user {entry.user} or group {entry.group} does not fit a tar header")
    fields = [
        name[:_NAME].ljust(_NAME, b"\0"),
        _octal(entry.mode, 8, entry.path, "mode"),
        _octal(entry.uid, 8, entry.path, "user"),
        _octal(entry.gid, 8, entry.path, "group"),
        _octal(size, 12, entry.path, "size"),
        _octal(entry.mtime, 12, entry.path, "time"),
        b" " * 8,
        kind,
        target[:_NAME].ljust(_NAME, b"\0"),
        b"ustar\x0000",
        user.ljust(32, b"\0"),
        group.ljust(32, b"\0"),
        b"0000000\0" * 2,
    ]
    header = b"".join(fields).ljust(_BLOCK, b"\0")
    return header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:]


def _record(key: bytes, value: bytes) -> bytes:
    """Return one pax record; its length counts its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def checksum_of(entry: Entry) -> bytes | None:
    """Return the SHA-1 that goes with an entry: of a file's content or a symlink's target."""
    if entry.kind is Kind.FILE:
        return hashlib.sha1(entry.content, usedforsecurity=False).digest()
    if entry.kind is Kind.SYMLINK:
        return hashlib.sha1(entry.target.encode(), usedforsecurity=False).digest()
    return None


def _extended(entry: Entry, name: bytes, target: bytes, *, checksums: bool) -> bytes:
    records = [_record(_XATTR + key.encode(), value) for key, value in entry.xattrs]
    if len(name) > _NAME:
        records.append(_record(b"path", name))
    if len(target) > _NAME:
        records.append(_record(b"linkpath", target))
    checksum = checksum_of(entry) if checksums else None
    if checksum is not None:
        records.append(_record(_CHECKSUM, checksum.hex().encode()))
    if not records:
        return b""
    content = b"".join(records)
    plain = replace(entry, mode=0o644, uid=0, gid=0, user="root", group="root")
    return _header(plain, b"x", b"PaxHeaders", b"", len(content)) + _padded(content)


def write_head(entry: Entry, size: int) -> bytes:
    """Return what stands before a file's content in an archive; after it come zeros up to the next multiple of 512.

    It is for who does not have the content at hand: `entry.content` is not looked at.

    Args:
        entry: The file.
        size: How many bytes its content has.

    Raises:
        ApkError: A number or name does not fit.
    """
    name = entry.path.encode()
    return _extended(entry, name, b"", checksums=False) + _header(entry, _TYPES[Kind.FILE], name, b"", size)


def write_members(entries: Iterable[Entry], *, checksums: bool = False) -> bytes:
    """Return entries as members of an archive, in the order given and without the archive's end.

    Args:
        entries: What to write.
        checksums: Whether files and symlinks get their SHA-1, as ``abuild-tar --hash`` adds it.

    Raises:
        ApkError: A number or name does not fit.
    """
    pieces: list[bytes] = []
    for entry in entries:
        name = entry.path.encode() + (b"/" if entry.kind is Kind.DIRECTORY else b"")
        target = entry.target.encode()
        content = entry.content if entry.kind is Kind.FILE else b""
        pieces += (
            _extended(entry, name, target, checksums=checksums),
            _header(entry, _TYPES[entry.kind], name, target, len(content)),
            content,
            bytes(-len(content) % _BLOCK),
        )
    return b"".join(pieces)


def _number(field: bytes, where: str, what: str) -> int:
    digits = field.strip(b"\0 ")
    if not re.fullmatch(rb"[0-7]*", digits):
        raise ApkError(f"{where}: the {what} is not a number")
    return int(digits or b"0", 8)


def _text(raw: bytes, where: str, what: str) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ApkError(f"{where}: the {what} {raw!r} is not UTF-8") from None
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ApkError(f"{where}: a control character in the {what} {text!r}")
    if len(raw) > _LONGEST_PATH:
        raise ApkError(f"{where}: the {what} is longer than {_LONGEST_PATH} bytes")
    return text


def _field(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _parse_records(content: bytes, where: str) -> dict[bytes, bytes]:
    """Read the records of a pax header."""
    records: dict[bytes, bytes] = {}
    while content:
        length, space, _ = content[:12].partition(b" ")
        if not space or not length.isdigit() or not len(length) + 3 <= int(length) <= len(content):
            raise ApkError(f"{where}: a pax record's length is wrong")
        record, content = content[: int(length)], content[int(length) :]
        key, equals, value = record[len(length) + 1 : -1].partition(b"=")
        if not equals or not record.endswith(b"\n") or not key or key in records:
            raise ApkError(f"{where}: a pax record is damaged")
        if _AMBIGUOUS.fullmatch(key):
            raise ApkError(f"{where}: the pax record {key.decode()} is one that apk does not follow")
        records[key] = value
    return records


def _parse_checksum(records: dict[bytes, bytes], where: str) -> bytes | None:
    value = records.get(_CHECKSUM)
    if value is None:
        return None
    if not re.fullmatch(rb"[0-9a-fA-F]{40}", value):
        raise ApkError(f"{where}: the checksum in the header is not a SHA-1")
    return bytes.fromhex(value.decode())


def _parse_xattrs(records: dict[bytes, bytes], where: str) -> tuple[tuple[str, bytes], ...]:
    found = ((key.removeprefix(_XATTR), value) for key, value in records.items() if key.startswith(_XATTR))
    return tuple(sorted((_text(key, where, "extended attribute"), value) for key, value in found))


def _check_header(block: bytes, where: str) -> None:
    if block[257:262] != b"ustar":
        raise ApkError(f"{where}: no tar header")
    if sum(block[:148]) + sum(block[156:]) + 8 * 32 != _number(block[148:156], where, "header's checksum"):
        raise ApkError(f"{where}: the tar header's checksum is wrong")
    if block[345] and block[257:263] != b"ustar\0":
        raise ApkError(f"{where}: a name in two parts in a header that is not POSIX's")


def _parse_member(block: bytes, content: bytes, name: bytes, records: dict[bytes, bytes], where: str) -> Member:
    """Read one member from its header, content, and the records that came before it."""
    flag = block[156:157]
    if flag in _SPECIAL:
        raise ApkError(f"{where}: {name.decode(errors='replace')} is {_SPECIAL[flag]}")
    kind = _KINDS.get(flag)
    if kind is None:
        raise ApkError(f"{where}: {name.decode(errors='replace')} is of unknown type {flag!r}")
    if kind is Kind.DIRECTORY:
        name = name.removesuffix(b"/")
    if content and kind is not Kind.FILE:
        raise ApkError(f"{where}: {name.decode(errors='replace')} is a {kind.value} with content")
    linked = kind in (Kind.SYMLINK, Kind.HARDLINK)
    target = records.get(b"linkpath", _field(block[157:257])) if linked else b""
    entry = Entry(
        path=_text(name, where, "name"),
        kind=kind,
        mode=_number(block[100:108], where, "mode") & 0o7777,
        uid=_number(block[108:116], where, "user"),
        gid=_number(block[116:124], where, "group"),
        user=_text(_field(block[265:297]), where, "user's name") or "root",
        group=_text(_field(block[297:329]), where, "group's name") or "root",
        mtime=_number(block[136:148], where, "time"),
        target=_text(target, where, "link's target"),
        content=content,
        xattrs=_parse_xattrs(records, where),
    )
    return Member(entry, _parse_checksum(records, where))


def read_members(archive: bytes, where: str) -> tuple[Member, ...]:
    """Read an archive, whether it has an end or was cut to be followed by another.

    Names are as they are in the archive, but for the ``/`` after a directory's.

    Args:
        archive: The whole archive.
        where: What the file is called, for messages.

    Raises:
        ApkError: It is not a sound archive, or holds what is no file, directory or link.
    """
    members: list[Member] = []
    records: dict[bytes, bytes] = {}
    # GNU's own extended headers, for names and targets beyond a header's bytes (GNU tar manual, "Basic Tar Format").
    long_name: bytes | None = None
    long_target: bytes | None = None
    position = 0
    while position < len(archive):
        block = archive[position : position + _BLOCK]
        if not block[0]:
            if archive.count(0, position) != len(archive) - position:
                raise ApkError(f"{where}: something follows the end of the tar archive")
            break
        here = f"{where}, tar header at {position}"
        if len(block) < _BLOCK:
            raise ApkError(f"{here}: truncated")
        _check_header(block, here)
        size = _number(block[124:136], here, "size")
        content = archive[position + _BLOCK : position + _BLOCK + size]
        if len(content) < size:
            raise ApkError(f"{here}: {size} bytes announced, {len(content)} there")
        position += _BLOCK + size + -size % _BLOCK
        if block[156:157] == b"x":
            records = _parse_records(content, here)
            continue
        if block[156:157] == b"L":
            long_name = _field(content)
            continue
        if block[156:157] == b"K":
            long_target = _field(content)
            continue
        if long_target is not None:
            records.setdefault(b"linkpath", long_target)
        prefix = _field(block[345:500])
        short = (prefix + b"/" if prefix else b"") + _field(block[:_NAME])
        members.append(_parse_member(block, content, records.get(b"path", long_name or short), records, here))
        records, long_name, long_target = {}, None, None
    if records or long_name is not None or long_target is not None:
        raise ApkError(f"{where}: the tar archive ends after an extended header")
    return tuple(members)
