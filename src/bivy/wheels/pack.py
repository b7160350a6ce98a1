"""A wheel's files become the wheel: the same bytes for the same files, wherever it is made.

The format is that of zip (PKWARE's APPNOTE.TXT 6.3) and of the binary distribution format (PyPA specifications).
Python's own zipfile compresses with whatever zlib the machine has; bivy brings the compressor along, in one version.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import struct
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LEVEL: Final = 9
_LARGEST: Final = (1 << 32) - 2
_UTF8: Final = 0x800
_UNIX: Final = 3 << 8


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a wheel.

    Attributes:
        path: Its path.
        content: What is in it.
        executable: Whether it is a program.
    """

    path: str
    content: bytes
    executable: bool = False


def record_of(members: Iterable[Member], path: str) -> Member:
    """Return a wheel's RECORD (PyPA specifications, "Recording installed projects").

    Args:
        members: All other files.
        path: Its own path.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for member in sorted(members, key=lambda member: member.path):
        digest = base64.urlsafe_b64encode(hashlib.sha256(member.content).digest()).rstrip(b"=").decode()
        writer.writerow([member.path, f"sha256={digest}", len(member.content)])
    writer.writerow([path, "", ""])
    return Member(path, text.getvalue().encode())


def pack(members: Iterable[Member], epoch: int) -> bytes:
    """Return a zip archive: members by path, those of ``.dist-info`` last, all of one time, with one of two modes.

    Args:
        members: The files.
        epoch: Their time, in seconds since 1970; what zip cannot write down becomes its earliest, 1980.

    Raises:
        BivyError: It would be larger than 4 GB.
    """
    stamp = _stamp(epoch)
    pieces: list[bytes] = []
    listed: list[bytes] = []
    offset = 0
    for member in sorted(members, key=lambda member: (_is_about(member.path), member.path)):
        name = member.path.encode()
        packed, method = _compressed(member.content)
        common = struct.pack("<HHHHIIIHH", _UTF8, method, stamp & 0xFFFF, stamp >> 16, zlib.crc32(member.content),
                             len(packed), len(member.content), len(name), 0)  # fmt: skip
        header = struct.pack("<IH", 0x04034B50, 20) + common + name
        mode = 0o100755 if member.executable else 0o100644
        listed.append(
            struct.pack("<IHH", 0x02014B50, _UNIX | 20, 20)
            + common
            + struct.pack("<HHHII", 0, 0, 0, mode << 16, offset)
            + name
        )
        pieces += [header, packed]
        offset += len(header) + len(packed)
        if offset > _LARGEST or len(member.content) > _LARGEST:
            raise BivyError("the wheel would be larger than 4 GB")
    if len(listed) > 0xFFFE:
        raise BivyError(f"the wheel would have {len(listed)} files, more than a plain zip archive holds")
    directory = b"".join(listed)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(listed), len(listed), len(directory), offset, 0)
    return b"".join([*pieces, directory, end])


def _is_about(path: str) -> bool:
    return path.split("/", 1)[0].endswith(".dist-info")


def _compressed(content: bytes) -> tuple[bytes, int]:
    import deflate

    packed = bytes(deflate.deflate_compress(content, _LEVEL)) if content else b""
    return (packed, 8) if packed and len(packed) < len(content) else (content, 0)


def _stamp(epoch: int) -> int:
    """Return a time as zip writes it: MS-DOS's date and time."""
    then = time.gmtime(max(epoch, 315532800))
    date = (min(then.tm_year - 1980, 127) << 9) | (then.tm_mon << 5) | then.tm_mday
    return (date << 16) | (then.tm_hour << 11) | (then.tm_min << 5) | (then.tm_sec // 2)


def wheel_file(told: Mapping[str, list[str]], tags: Iterable[str], *, pure: bool) -> bytes:
    """Return the text of a wheel's file WHEEL.

    Args:
        told: What the backend's said, by key.
        tags: The tags, each spelled out.
        pure: Whether nothing in it is compiled.
    """
    lines = ["Wheel-Version: 1.0", f"Generator: {' '.join(told.get('Generator', ['bivy']))}"]
    lines += [f"Root-Is-Purelib: {'true' if pure else 'false'}"]
    lines += [f"Tag: {tag}" for tag in sorted(tags)]
    lines += [f"Build: {each}" for each in told.get("Build", [])]
    return ("\n".join(lines) + "\n").encode()
