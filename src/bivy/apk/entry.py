"""What a package, a tree or a layer consists of: entries with their ownership as data."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, directory or link.

    Attributes:
        path: Where it is, relative to the root, without a leading ``/`` or ``./``, no ``.`` or ``..`` in it.
        kind: What it is.
        mode: Permission bits, with setuid, setgid and sticky (0o7777 at most).
        uid: Number of the user that owns it.
        gid: Number of the group that owns it.
        user: Name of that user.
        group: Name of that group.
        mtime: Time of its last change, seconds since 1970.
        target: Where a symlink points, verbatim; the path (as `path`) that a hardlink is another name of.
        content: A file's bytes.
        xattrs: Extended attributes as pairs of name and value, sorted by name.
    """

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    user: str = "root"
    group: str = "root"
    mtime: int = 0
    target: str = ""
    content: bytes = b""
    xattrs: tuple[tuple[str, bytes], ...] = ()
