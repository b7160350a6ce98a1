"""What is in a project's files, found out once; and whether anything in its folder looks other than the last time."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.apk.entry import Kind
from bivy.errors import BivyError
from bivy.files import look_of, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.app.values import Project

# Folders that are never part of a project, in which much changes.
_APART: Final = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__", ".tox", ".nox", ".cache"})
_GIT: Final = ("HEAD", "packed-refs", "refs/heads", "refs/tags", "logs/HEAD")
MARKED: Final = frozenset({"pyvenv.cfg", "oci-layout", "CACHEDIR.TAG"})
"""Files that say of the folder they are in that it is no part of a project."""
_MOST: Final = 20_000


class Seen(msgspec.Struct, frozen=True):
    """What a file was like when its digest was found out; as long as that is so, it has the same."""

    size: int
    modified: int
    changed: int
    inode: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The digests of a project's files.

    Attributes:
        digests: By path, the SHA-256 of a file's content in hexadecimal.
        seen: What the files were like; kept for the next time.
    """

    digests: Mapping[str, str]
    seen: Mapping[str, Seen]


def read_contents(project: Project, known: Mapping[str, Seen]) -> Contents:
    """Find out what is in a project's files; those that look as they did before are not read.

    Args:
        project: The project.
        known: What was seen the last time.

    Raises:
        BivyError: A file cannot be read.
    """
    digests, seen = {}, {}
    for file in project.files:
        if file.kind is not Kind.FILE:
            continue
        path = project.root / file.path
        try:
            status = path.stat()
            before = known.get(file.path)
            now = look_of(status)
            same = before is not None and (before.size, before.modified, before.changed, before.inode) == now
            digest = before.sha256 if before and same else sha256_of(path)
        except OSError as fault:
            raise BivyError(f"{path} cannot be read: {fault.strerror}") from None
        digests[file.path] = digest
        seen[file.path] = Seen(*now, digest)
    return Contents(digests, seen)


def look(where: Path) -> tuple[str, int] | None:
    """Return what a project's folder looks like, without reading a file, and when the last thing in it changed.

    As long as that is the same, so is the project. Of a folder with more in it than is quick to look at, nothing is
    said.

    Args:
        where: The folder, or a script.

    Returns:
        A digest, and nanoseconds since 1970; ``None`` where it is too much to look at.
    """
    digest, newest = hashlib.sha256(), 0
    try:
        for number, (path, status) in enumerate(_everything(str(where))):
            if number > _MOST:
                return None
            told: tuple[object, ...] = (path,)
            if status is not None:
                told = (path, status.st_mode, *look_of(status))
                newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
            digest.update(repr(told).encode("utf-8", "surrogateescape"))
    except OSError:
        return None
    return digest.hexdigest(), newest


def look_at(where: Path, beside: Sequence[str]) -> tuple[str, int] | None:
    """Return what a project's folder, and what else it is made of, look like together; see `look`.

    Args:
        where: The folder, or a script.
        beside: Folders and files outside of it.
    """
    looks = [look(where), *(look(Path(each)) for each in beside)]
    if not beside or None in looks:
        return looks[0] if not beside else None
    seen = [each for each in looks if each]
    return hashlib.sha256(repr([each[0] for each in seen]).encode()).hexdigest(), max(each[1] for each in seen)


def _everything(where: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield all that is in a folder; what a folder looks like is what is in it."""
    place = Path(where)
    if not place.is_dir():
        yield where, place.stat()
        with contextlib.suppress(FileNotFoundError):
            yield f"{where}.lock", Path(f"{where}.lock").stat()
        return
    for name in _GIT:
        with contextlib.suppress(OSError):
            yield name, (place / ".git" / name).stat()
    waiting = [where]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        if folder != where and any(entry.name in MARKED for entry in entries):
            continue
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield entry.path, entry.stat(follow_symlinks=False)
            elif entry.name not in _APART:
                yield entry.path, None
                waiting.append(entry.path)
