"""What of a source archive's members says what it is, kept while the archive goes by.

Nothing is written to disk, links are not followed, and the archive's own sizes are believed by nobody.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, cast

from bivy.errors import BivyError
from bivy.musl.archives import languages
from bivy.musl.archives.faults import Faults, UnreadableError, quoted
from bivy.musl.archives.metadata import LIMIT as METADATA_LIMIT
from bivy.musl.archives.names import LEADS_OUTSIDE, fault_of_path
from bivy.musl.archives.standards import ENDINGS
from bivy.musl.archives.zipped import Bounds, open_zip
from bivy.source.download import UnavailableError
from bivy.source.streams import Forward, RefusedError, decompressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAGIC = 262
_CHUNK = 1 << 16
_FILE_LIMIT = 1 << 19
_MOST_FILES = 200
_LONGEST_HEADER = 1 << 16
_MOST_GLOBAL_FIELDS = 1000
_DAMAGE = (EOFError, tarfile.TarError, zlib.error, lzma.LZMAError, OverflowError, RuntimeError, ValueError)


class _EnoughError(Exception):
    """No more is fetched; with a reason where that is less than would have been good."""


class Stream:
    """Chunks as a file that is read forward only, and that ends when enough is known."""

    def __init__(self, chunks: Iterator[bytes], limit: int, is_enough: Callable[[int], bool]) -> None:
        """Read from chunks.

        Args:
            chunks: The bytes.
            limit: How many are taken at most.
            is_enough: Tells, from how many were taken, whether no more are needed.
        """
        self._chunks = chunks
        self._limit = limit
        self._is_enough = is_enough
        self._taken = 0
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return some of the next bytes, none only at the end.

        Raises:
            UnavailableError: They cannot be fetched.
        """
        while not self._rest and size:
            if self._is_enough(self._taken):
                raise _EnoughError
            if self._taken >= self._limit:
                raise _EnoughError(f"only its first {self._taken} bytes were read")
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._taken += len(chunk)
            self._rest = chunk
        if size < 0:
            size = len(self._rest)
        content, self._rest = self._rest[:size], self._rest[size:]
        return content

    def push(self, content: bytes) -> None:
        """Put bytes that were read back."""
        self._rest = content + self._rest


@dataclass(slots=True)
class Gathered:
    """What was kept of an archive while it went by.

    Attributes:
        file_name: The archive's file name.
        where: What it is called, for messages.
        bounds: How much is read of it at most.
        faults: What is wrong with it.
        files: What is in the files that say something, by the folder at the top and the path below it.
        languages: For each language the first file in it, below the folder at the top.
        tools: For each build tool the file that is for it.
        tops: The folders at the top.
        members: How many members went by.
        complete: Whether its end was reached.
    """

    file_name: str
    where: str
    bounds: Bounds
    faults: Faults = field(init=False)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    tops: dict[str, None] = field(default_factory=dict)
    members: int = 0
    complete: bool = False

    def __post_init__(self) -> None:
        self.faults = Faults(self.where)

    def meet(self, path: str, size: int, read: Callable[[int], bytes] | None) -> None:
        """Take note of a member, and keep its content where that says something.

        Args:
            path: Its path as in the archive.
            size: How many bytes it announces.
            read: Returns its content, up to so many bytes; ``None`` for what is no file.
        """
        self.members += 1
        if self.members > self.bounds.members:
            raise RefusedError(f"it has more than {self.bounds.members} members; those before were read")
        fault = fault_of_path(path.removeprefix("./"))
        if fault:
            self.faults.add(fault, path)
        if fault == LEADS_OUTSIDE:
            return
        top, slash, rest = path.removeprefix("./").partition("/")
        if not rest:
            if read and not slash:
                self.faults.add("files outside the one folder that a source archive has", path)
            return
        self.tops[top] = None
        if rest.rpartition("/")[2].startswith("._"):  # what macOS puts beside each file
            return
        if read is None:
            if rest in ("PKG-INFO", "pyproject.toml", "setup.py"):
                self.faults.add("members that were not read, since they are links", path)
            return
        self._note_name(rest)
        if self._is_wanted(rest):
            if size > _limit_of(rest):
                self.faults.add("files that are too large to be read", path)
            else:
                self.files[top, rest] = read(_limit_of(rest))

    def _note_name(self, rest: str) -> None:
        if languages.is_aside(rest):
            return
        language = languages.language_of(rest)
        if language:
            self.languages.setdefault(language, rest)
        tool = languages.tool_of(rest)
        if tool:
            self.tools.setdefault(tool, rest)

    def _is_wanted(self, rest: str) -> bool:
        folder, _, name = rest.rpartition("/")
        if not folder and name in ("PKG-INFO", "pyproject.toml", "setup.py", "Cargo.lock"):
            return True
        if len(self.files) >= _MOST_FILES:
            return False
        if not folder:
            return name.endswith(".py") or name in ("Cargo.toml", "meson.build", "CMakeLists.txt")
        if languages.is_aside(rest) or languages.is_foreign(rest):
            return False
        return folder.count("/") < 3 and name in ("Cargo.toml", "Cargo.lock", "meson.build", "CMakeLists.txt")

    @property
    def top(self) -> str:
        """The folder of the archive: that which its file name says, else the first with a PKG-INFO, else the first."""
        stem = stem_of(self.file_name)
        if stem in self.tops:
            return stem
        return next((top for top, rest in self.files if rest == "PKG-INFO"), next(iter(self.tops), ""))

    def content(self, rest: str) -> bytes | None:
        """Return the content of a file that was kept."""
        return self.files.get((self.top, rest))

    @property
    def is_enough(self) -> bool:
        """Whether the essentials are known: what it requires, how it is built, and that something in it is compiled.

        Where setuptools may be the backend that is never so: a script, and what it imports, can come last.
        """
        project = self.content("pyproject.toml")
        if project is None or b"build-backend" not in project or b"setuptools" in project or b"backend-path" in project:
            return False
        return "PKG-INFO" in {rest for _, rest in self.files} and bool(languages.COMPILED & self.languages.keys())


def _limit_of(rest: str) -> int:
    return METADATA_LIMIT if rest == "PKG-INFO" else _FILE_LIMIT


def stem_of(name: str) -> str:
    """Return a source archive's file name without its ending."""
    for ending in (*ENDINGS, ".tbz", ".tar.zst", ".tar"):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


def gather_zip(file: IO[bytes], gathered: Gathered) -> None:
    """Read a zip archive.

    Raises:
        BivyError: It is none, or its list of members cannot be read.
        UnavailableError: It cannot be fetched.
    """
    opened = open_zip(file, gathered.faults, gathered.bounds)

    def reader(path: str) -> Callable[[int], bytes]:
        return lambda limit: opened.read(path, limit)

    for member in opened.members:
        try:
            gathered.meet(member.path, member.size, reader(member.path))
        except UnreadableError as fault:
            gathered.faults.add(fault.kind, member.path)
        except RefusedError as fault:
            gathered.faults.add(str(fault))
            return
    gathered.complete = True


def gather_tar(file: IO[bytes], gathered: Gathered) -> None:
    """Read a tar archive to its end, or to where it cannot be read any more, which is noted.

    Args:
        file: The archive, at its start: one that can be read at any place, or a `Stream`.
        gathered: Takes what is in it.

    Raises:
        BivyError: Nothing of it can be read.
        UnavailableError: Nothing of it can be fetched.
    """
    try:
        magic = _read_up_to(file, _MAGIC)
        if isinstance(file, Stream):
            file.push(magic)
        else:
            file.seek(0)
        stream = Forward(decompressed(file, magic), gathered.bounds.total, _LONGEST_HEADER)
        _gather_members(stream, gathered)
        gathered.complete = True
    except _EnoughError as reason:
        if str(reason):
            gathered.faults.add(str(reason))
    except UnavailableError as fault:
        if not gathered.members:
            raise
        gathered.faults.add(f"it was not fetched to its end: {fault}", hint="try again later")
    except RefusedError as fault:
        _stopped(gathered, f"is not read: {fault}", fault)
    except OSError as fault:
        if fault.errno:  # the machine's; without a number it is a decompressor's
            raise
        _stopped(gathered, f"is damaged ({fault})", fault)
    except _DAMAGE as fault:
        _stopped(gathered, f"is cut off or damaged ({fault})", fault)
    except Exception as fault:
        import zstandard

        if not isinstance(fault, zstandard.ZstdError):
            raise
        _stopped(gathered, f"is cut off or damaged ({fault})", fault)


def _stopped(gathered: Gathered, why: str, fault: Exception) -> None:
    """Note that an archive cannot be read on; where nothing of it was read, that is an error."""
    if not gathered.members:
        raise BivyError(f"{gathered.where} {why}", hint="download the file again") from fault
    gathered.faults.add(f"after {gathered.members} members it {why}", hint="download the file again")


def _read_up_to(file: IO[bytes], size: int) -> bytes:
    content = b""
    while len(content) < size and (part := file.read(size - len(content))):
        content += part
    return content


def _gather_members(stream: Forward, gathered: Gathered) -> None:
    """Read the members of a tar archive (POSIX.1-2017, pax, "ustar Interchange Format", with GNU's additions)."""
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as opened:
        while (info := opened.next()) is not None:
            opened.members.clear()  # type: ignore[attr-defined]  # else tarfile keeps them all
            if len(opened.pax_headers) > _MOST_GLOBAL_FIELDS:
                raise RefusedError(f"its global headers have more than {_MOST_GLOBAL_FIELDS} fields")
            _meet_member(info, stream, gathered)
    # tarfile takes a damaged header for the end, but only a block of zeros is one.
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("its end is missing")
    while stream.read(_CHUNK):  # so that a checksum at the end is looked at
        pass


def _meet_member(info: tarfile.TarInfo, stream: Forward, gathered: Gathered) -> None:
    if info.ischr() or info.isblk() or info.isfifo():
        gathered.faults.add("members that are devices or pipes", info.name)
    elif info.issym() or info.islnk():
        if _leads_outside(info):
            gathered.faults.add("links that lead out of the archive's folder", info.name)
        gathered.meet(info.name, 0, None)
    elif info.isdir():
        gathered.meet(f"{info.name}/", 0, None)
    elif info.isreg() and not info.issparse():
        gathered.meet(info.name, info.size, lambda _: _content(stream, info))
    else:
        gathered.faults.add("members of a kind that source archives do not have", info.name)


def _leads_outside(info: tarfile.TarInfo) -> bool:
    """Tell whether a link by itself leads out of the top of the archive: a hard link's target is counted from there."""
    depth = 0
    start = info.name.split("/")[:-1] if info.issym() else []
    for part in [*start, *info.linkname.split("/")]:
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return info.linkname.startswith("/")


def _content(stream: Forward, info: tarfile.TarInfo) -> bytes:
    """Return the content of a member that tarfile has just read the header of."""
    parts = []
    left = info.size
    while left > 0 and (part := stream.read(min(left, _CHUNK))):
        parts.append(part)
        left -= len(part)
    if left > 0:
        raise EOFError(f"{quoted(info.name)} is not whole")
    return b"".join(parts)
