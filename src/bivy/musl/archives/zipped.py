"""A zip archive from elsewhere, read within bounds that do not rest on what it says of itself.

The format is PKWARE's APPNOTE.TXT 6.3; `zipfile` reads it. What is added: sizes are counted and not believed, the list
of members has a bound, and what is odd about members is noted before anything of them is read.
"""

from __future__ import annotations

import contextlib
import copy
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from bivy.errors import BivyError
from bivy.musl.archives.faults import Faults, UnreadableError
from bivy.musl.archives.names import fault_of_path
from bivy.source.download import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1
_ENDLESS = 1 << 62
_USUAL_RATIO = 200
_ALWAYS_READ = 256 << 20
_READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for bytes that make no sense, as fuzzing found it.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)

ENCRYPTED = "members that are encrypted"
METHOD = "members that are compressed in another way than stored or deflated, and were not read"
DAMAGED = "members that are damaged"
LONGER = "members with more bytes than the archive announces"
SHORTER = "members with fewer bytes than the archive announces"
TOO_LARGE = "members that are too large to be read"
TOO_MUCH = "members that were not read, since those before them have more bytes than bivy reads of one archive"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is read of one archive at most.

    Attributes:
        total: Bytes of all members together, unpacked and as often as they are read; of a small zip archive fewer (256
            MB and 200 times its own size), since no wheel shrinks so much.
        largest: Bytes of one member, unpacked.
        members: How many members there may be.
        directory: Bytes of the list of members.
    """

    total: int = 16 << 30
    largest: int = 2 << 30
    members: int = 500_000
    directory: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive, as the archive announces it.

    Attributes:
        path: Its path, with ``/`` between parts.
        size: Its size in bytes, as announced; only reading tells.
        compressed: How many bytes of the archive it takes, as announced.
        executable: Whether it says that it may be executed.
    """

    path: str
    size: int
    compressed: int
    executable: bool = False


class _RefusedError(Exception):
    """A list of members that is not read, and why."""


class _Bounded:
    """What zipfile reads from: no single read, such as that of the list of members, is larger than the bounds."""

    def __init__(self, file: IO[bytes], bounds: Bounds) -> None:
        self._file = file
        self._bounds = bounds
        self.tell = file.tell
        self.seek = file.seek
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        most = self._bounds.directory
        if size > most:
            raise _RefusedError(f"its list of members has {size} bytes, more than the {most} allowed")
        content = self._file.read(size if size >= 0 else most)  # without a size, zipfile reads the last 64 kB
        if content.startswith(b"PK\1\2") and content.count(b"PK\1\2") > self._bounds.members:
            raise _RefusedError(f"it has more than {self._bounds.members} members")
        return content


class Zip:
    """A zip archive that is open for reading.

    Attributes:
        members: The files in it, each path once: of members with one path, the last, which is the one that installers
            take.
    """

    def __init__(self, archive: zipfile.ZipFile, file: IO[bytes], bounds: Bounds) -> None:
        self._archive = archive
        self._bounds = bounds
        self._expect = getattr(file, "expect", None)
        self._left = min(bounds.total, _ALWAYS_READ + _USUAL_RATIO * file.seek(0, 2))
        self._infos = {info.filename: info for info in archive.infolist() if not info.filename.endswith("/")}
        self.members = tuple(
            Member(path, info.file_size, info.compress_size, _executable(info)) for path, info in self._infos.items()
        )

    def __contains__(self, path: str) -> bool:
        return path in self._infos

    def chunks(self, path: str, limit: int) -> Iterator[bytes]:
        """Yield the content of a member, piece by piece.

        Args:
            path: Which member; it has to be there.
            limit: How many bytes it may have.

        Raises:
            UnreadableError: It is encrypted, compressed in an unknown way, damaged, larger than `limit`, of another
                size than announced, or more was read of this archive already than the bounds allow. What was yielded
                before may be wrong.
        """
        info = self._infos[path]
        most = min(limit, self._bounds.largest)
        if info.file_size > most:
            raise UnreadableError(TOO_LARGE, f"{info.file_size} bytes, and not more than {most} are read")
        with self._opened(info) as file:
            size = 0
            while chunk := _read(file, _CHUNK):
                size += len(chunk)
                self._left -= len(chunk)
                if self._left < 0:
                    raise UnreadableError(TOO_MUCH)
                if size > info.file_size:
                    raise UnreadableError(LONGER)
                yield chunk
        if size < info.file_size:
            raise UnreadableError(SHORTER)

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a member; as `chunks`."""
        return b"".join(self.chunks(path, limit))

    def start(self, path: str, size: int) -> bytes:
        """Return the first bytes of a member, or all where it has fewer.

        Raises:
            UnreadableError: It is encrypted, compressed in an unknown way or damaged at its start.
        """
        info = self._infos[path]
        with self._opened(info) as file:
            return _read(file, size)

    def _opened(self, info: zipfile.ZipInfo) -> IO[bytes]:
        if info.flag_bits & _ENCRYPTED:
            raise UnreadableError(ENCRYPTED)
        if info.compress_type not in _READ_METHODS:
            raise UnreadableError(METHOD, f"method {info.compress_type}")
        # zipfile stops at the announced size; told of a larger one, it goes on to where the member really ends.
        real = copy.copy(info)
        real.file_size = _ENDLESS
        if self._expect:
            self._expect(info.header_offset + _LOCAL_HEADER + len(info.orig_filename) + info.compress_size)
        with _translated():
            return self._archive.open(real)


def _executable(info: zipfile.ZipInfo) -> bool:
    mode = info.external_attr >> 16  # of Unix, as Info-ZIP writes it
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def _read(file: IO[bytes], size: int) -> bytes:
    with _translated():
        return file.read(size)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except UnavailableError as fault:
        raise UnreadableError(f"members that could not be fetched ({fault})") from fault
    except OSError as fault:
        raise UnreadableError(f"members that could not be read ({fault.strerror or fault})") from fault
    except (_RefusedError, *_DAMAGE) as fault:
        raise UnreadableError(DAMAGED, str(fault)) from fault


def open_zip(file: IO[bytes], faults: Faults, bounds: Bounds) -> Zip:
    """Read the list of members, and note in `faults` what is wrong with it.

    Args:
        file: The archive; it stays open, and the caller's to close.
        faults: Takes what is wrong with single members.
        bounds: How much is read.

    Raises:
        BivyError: It is no zip archive, is cut off, or its list of members cannot be read.
    """
    try:
        archive = zipfile.ZipFile(cast("IO[bytes]", _Bounded(file, bounds)))
    except _RefusedError as fault:
        raise BivyError(f"{faults.where} is not read: {fault}") from fault
    except _DAMAGE as fault:
        raise _no_zip(file, faults.where, fault) from fault
    except OSError as fault:
        raise BivyError(f"cannot read {faults.where}: {fault.strerror or fault}") from fault
    infos = archive.infolist()
    for info in infos:
        _note_oddities(info, faults)
    _note_repetitions(infos, faults)
    _note_overlaps(infos, archive.start_dir, faults)
    return Zip(archive, file, bounds)


def _no_zip(file: IO[bytes], where: str, fault: Exception) -> BivyError:
    file.seek(0)
    start = file.read(256)
    if isinstance(fault, UnicodeDecodeError):
        return BivyError(f"{where} is a zip archive with a name that is not UTF-8", hint="make the archive again")
    if start.startswith(b"PK\3\4"):
        return BivyError(
            f"{where} is a zip archive that is cut off or damaged: its list of members cannot be read ({fault})",
            hint="download the file again",
        )
    if not start:
        return BivyError(f"{where} is empty", hint="download the file again")
    page = b"<html" in start.lower() or start.lstrip().startswith(b"<!")
    return BivyError(
        f"{where} is no zip archive" + (" but a page of a web site" if page else ""),
        hint="download the file again: a server may have answered with an error page" if page else None,
    )


def _note_oddities(info: zipfile.ZipInfo, faults: Faults) -> None:
    name = info.orig_filename
    fault = fault_of_path(name)
    if fault:
        faults.add(fault, name or "(no name)")
    if info.flag_bits & _ENCRYPTED:
        faults.add(ENCRYPTED, name)
    if info.compress_type not in _READ_METHODS:
        faults.add(METHOD, name, hint="make the archive again with the methods that every installer reads")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        faults.add("members that are links, which installers do not make", name)
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        faults.add("members that are neither file nor folder", name)


def _note_repetitions(infos: list[zipfile.ZipInfo], faults: Faults) -> None:
    seen: set[str] = set()
    for info in infos:
        if info.filename in seen:
            faults.add("members that are there more than once, the last of which was read", info.filename)
        seen.add(info.filename)


def _note_overlaps(infos: list[zipfile.ZipInfo], end: int, faults: Faults) -> None:
    """Note members that share bytes, which is how a small archive becomes an endless one."""
    reached = -1
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < reached:
            faults.add("members that share bytes with another member", info.filename)
        reached = max(reached, info.header_offset + _LOCAL_HEADER + info.compress_size)
        if info.header_offset + _LOCAL_HEADER + info.compress_size > end:
            faults.add("members that reach beyond the end of the archive's content", info.filename)
