"""An archive becomes a folder, and never anything outside that folder."""

from __future__ import annotations

import calendar
import contextlib
import errno
import functools
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from bivy.errors import BivyError
from bivy.files import scratch_folder
from bivy.source.streams import Forward, RefusedError, decompressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_LONGEST_TARGET = 4096
_MOST_LINKS = 40  # what Linux follows in one path (path_resolution(7))
_LATEST = 0xFFFFFFFF
_HINT = (
    "the file has the pinned digest, so the pin names an archive that bivy does not unpack: check the recipe's source"
)


@dataclass(frozen=True, slots=True)
class _Member:
    """One file, folder or link of an archive; `kind` is the type in its mode (``stat.S_IFREG``…), 0 for a hard link."""

    name: str
    kind: int
    mode: int
    mtime: int
    size: int = 0
    target: str = ""
    content: Callable[[], IO[bytes]] = io.BytesIO


@dataclass(frozen=True, slots=True)
class _Bounds:
    total: int
    largest: int
    members: int


def unpack(
    archive: Path, folder: Path, *, limit: int = 4 << 30, largest: int = 1 << 30, members: int = 500_000
) -> None:
    """Unpack a tar archive (plain, gzip, bzip2, xz or zstd) or a zip archive into a new folder.

    Where everything is in one folder at the top, as in a release of a project, that folder becomes `folder`. Files get
    the modes 0644 or 0755 and their own times in whole seconds, so that the same archive gives the same folder.

    Args:
        archive: The file; what it is, its first bytes say.
        folder: Where to; made new. Nothing is there when unpacking fails.
        limit: How many bytes all files together may have.
        largest: How many bytes one file may have.
        members: How many files, folders and links there may be.

    Raises:
        BivyError: The archive is truncated, damaged, of an unknown kind or beyond a bound, or a member would lead
            outside or is neither file, folder nor link; or the folder cannot be written or is already there.
    """
    bounds = _Bounds(limit, largest, members)
    try:
        with scratch_folder(folder.parent, f".{folder.name}.") as scratch:
            with _members(archive, bounds) as found:
                kinds = _place(found, scratch, bounds)
            top = _single_top(kinds)
            _check_links(scratch, top, kinds)
            (scratch / top).chmod(0o755)
            (scratch / top).rename(folder)
    except RefusedError as fault:
        raise BivyError(f"{archive} is not unpacked: {fault}", hint=_HINT) from fault
    except OSError as fault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        raise BivyError(
            f"cannot unpack {archive} into {folder}: {fault.strerror or fault}",
            hint="make room on that disk" if full else None,
        ) from fault


@contextlib.contextmanager
def _members(archive: Path, bounds: _Bounds) -> Iterator[Iterator[_Member]]:
    """Open an archive of any kind; what its bytes do wrong, also while the block takes members, is a refusal."""
    import zstandard

    try:
        with archive.open("rb") as file:
            magic = file.read(262)
            file.seek(0)
            if magic.startswith((b"PK\3\4", b"PK\5\6")):
                with zipfile.ZipFile(file) as opened:
                    yield _zip_members(opened)
            else:
                with decompressed(file, magic) as stream:
                    yield _tar_members(Forward(stream, bounds.total))
    except OSError as fault:
        if fault.errno:  # the machine's; without a number it is a decompressor's
            raise
        raise RefusedError(f"it is damaged ({fault})") from fault
    except (EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError) as fault:
        raise RefusedError(f"it is truncated or damaged ({fault})") from fault
    except (ValueError, OverflowError, NotImplementedError, RuntimeError) as fault:
        raise RefusedError(f"it is damaged or of a kind that is not known ({fault})") from fault


def _tar_members(stream: Forward) -> Iterator[_Member]:
    """Read the members of a tar archive (POSIX.1-2017, pax, "ustar Interchange Format", with GNU's additions)."""
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as opened:
        for info in opened:
            yield _tar_member(opened, info)
    # tarfile takes a damaged header for the end, but only a block of zeros is one.
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise RefusedError("it is truncated or damaged (its end is missing)")
    while stream.read(_CHUNK):  # so that a checksum at the end is looked at
        pass


def _tar_member(opened: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    mtime = int(min(max(0, info.mtime), _LATEST))  # in this order, what is not a number becomes 0
    if info.isreg():
        return _Member(
            info.name, stat.S_IFREG, info.mode, mtime, info.size,
            content=lambda: cast("IO[bytes]", opened.extractfile(info)),
        )  # fmt: skip
    if info.isdir():
        return _Member(info.name, stat.S_IFDIR, info.mode, mtime)
    if info.issym():
        return _Member(info.name, stat.S_IFLNK, info.mode, mtime, target=info.linkname)
    if info.islnk():
        return _Member(info.name, 0, info.mode, mtime, target=info.linkname)
    raise RefusedError("is neither a file, a folder nor a link", info.name)


def _zip_members(opened: zipfile.ZipFile) -> Iterator[_Member]:
    """Read the members of a zip archive (PKWARE's APPNOTE.TXT 6.3, with the modes of Info-ZIP)."""
    for info in opened.infolist():
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode) or (stat.S_IFDIR if info.is_dir() else stat.S_IFREG)
        target = ""
        if kind == stat.S_IFLNK:
            if info.file_size > _LONGEST_TARGET:
                raise RefusedError("is a link with too long a target", info.filename)
            target = os.fsdecode(opened.read(info))
        elif kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise RefusedError("is neither a file, a folder nor a link", info.filename)
        content = functools.partial(opened.open, info)
        yield _Member(info.filename, kind, mode, _zip_time(info), info.file_size, target, content)


def _zip_time(info: zipfile.ZipInfo) -> int:
    try:
        return calendar.timegm((*info.date_time, 0, 0, 0))
    except ValueError:
        return 0


def _place(members: Iterator[_Member], root: Path, bounds: _Bounds) -> dict[str, int]:
    """Write members below `root`, which nobody else writes to; return the kind of each path that is there now."""
    kinds: dict[str, int] = {}
    times: dict[str, int] = {}
    size = 0
    for number, member in enumerate(members, start=1):
        size += member.size
        if number > bounds.members:
            raise RefusedError(f"it has more than {bounds.members} members")
        if member.size > bounds.largest:
            raise RefusedError(f"has {member.size} bytes, more than the {bounds.largest} of a bound", member.name)
        if size > bounds.total:
            raise RefusedError(f"it has more than {bounds.total} bytes when unpacked")
        try:
            path = _path(member.name, member.name)
            _make_parents(root, path, member, kinds)
            if path:
                times[path] = member.mtime
                kinds[path] = _place_one(member, root, path, kinds)
        except OSError as fault:
            if fault.errno in (errno.ENAMETOOLONG, errno.ENOENT, errno.EILSEQ, errno.EINVAL):
                raise RefusedError("has a name or a target that no file can have", member.name) from fault
            raise
    for path in kinds:  # now that nothing is put into a folder any more
        os.utime(root / path, (times.get(path, 0),) * 2, follow_symlinks=False)
    os.utime(root, (0, 0))
    return kinds


def _path(name: str, member: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/"):
        raise RefusedError("has an absolute path" if name == member else "links to an absolute path", member)
    if ".." in parts:
        raise RefusedError("has .. in its path" if name == member else "links to a path with ..", member)
    return "/".join(parts)


def _make_parents(root: Path, path: str, member: _Member, kinds: dict[str, int]) -> None:
    parts = path.split("/")
    for depth in range(1, len(parts)):
        parent = "/".join(parts[:depth])
        kind = kinds.get(parent)
        if kind is None:
            _make_folder(root / parent)
            kinds[parent] = stat.S_IFDIR
        elif kind == stat.S_IFLNK:
            raise RefusedError(f"is to be written through the link {parent!r}", member.name)
        elif kind != stat.S_IFDIR:
            raise RefusedError(f"is below {parent!r}, which is no folder", member.name)


def _make_folder(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def _place_one(member: _Member, root: Path, path: str, kinds: dict[str, int]) -> int:
    place = root / path
    before = kinds.get(path)
    if before == member.kind == stat.S_IFDIR:
        return before
    if before is not None:
        if not before == member.kind == stat.S_IFREG:
            raise RefusedError("is there twice, as two kinds of thing or as two links", member.name)
        place.unlink()
    if member.kind == stat.S_IFDIR:
        _make_folder(place)
    elif member.kind == stat.S_IFLNK:
        place.symlink_to(member.target)
    elif member.kind == 0:
        target = _path(member.target, member.name)
        if kinds.get(target) != stat.S_IFREG:
            raise RefusedError(f"is a hard link to {member.target!r}, which is no file before it", member.name)
        os.link(root / target, place, follow_symlinks=False)
        return stat.S_IFREG
    else:
        with place.open("xb") as file, member.content() as content:
            shutil.copyfileobj(content, file, _CHUNK)
            if file.tell() != member.size:
                raise RefusedError("is truncated", member.name)
        place.chmod(0o755 if member.mode & 0o111 else 0o644)
    return member.kind


def _single_top(kinds: dict[str, int]) -> str:
    """Return the folder that everything is in, or nothing where there is more than one thing at the top."""
    tops = {path.partition("/")[0] for path in kinds}
    if not tops:
        raise RefusedError("there is nothing in it")
    top = tops.pop()
    return top if not tops and kinds[top] == stat.S_IFDIR else ""


def _check_links(root: Path, top: str, kinds: dict[str, int]) -> None:
    """Refuse links that lead out of the folder `top` below `root`, by themselves or by way of other links."""
    links = {path: str((root / path).readlink()) for path, kind in kinds.items() if kind == stat.S_IFLNK}
    for path, target in links.items():
        if not _stays_inside(path, links, top):
            raise RefusedError(f"links to {target!r}, which is outside", path)


def _stays_inside(path: str, links: dict[str, str], top: str) -> bool:
    """Follow a link as the kernel does (path_resolution(7)), but in what was unpacked only."""
    bottom = [top] if top else []
    at: list[str] = []
    ahead = path.split("/")[::-1]
    followed = 0
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if len(at) <= len(bottom):
                return False
            at.pop()
            continue
        target = links.get("/".join([*at, part]))
        if target is None:
            at.append(part)
            continue
        followed += 1
        if target.startswith("/"):
            return False
        if followed > _MOST_LINKS:
            return True  # a circle: nobody gets anywhere through it
        ahead += target.split("/")[::-1]
    return True
