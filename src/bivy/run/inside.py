"""Paths of a container, found on the machine without ever leaving the container's root."""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bivy.errors import BivyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_LINKS = 40
"""How many symlinks the kernel follows in one path (path_resolution(7))."""

UNKNOWN = ("/proc", "/dev")
"""What is only there once the container runs."""


class CommandMissing(BivyError):  # noqa: N818 - what it says, not what it is
    """The container has no such program (exit status 127, as a shell's)."""

    exit_status = 127


class CommandNotExecutable(BivyError):  # noqa: N818 - as above
    """There is such a file, but it cannot be executed (exit status 126, as a shell's)."""

    exit_status = 126


@dataclass(frozen=True, slots=True)
class Inside:
    """What a container sees as files.

    Attributes:
        root: The folder that is its ``/``.
        mounts: What lies over it: the path inside, with all symlinks followed, and the path on the machine.
    """

    root: Path
    mounts: Mapping[str, Path] = field(default_factory=dict)

    def follow(self, path: str) -> str:
        """Return an absolute path inside with all its symlinks followed; what does not exist is kept as it is.

        Raises:
            BivyError: The symlinks go round in circles.
        """
        pending = list(reversed(path.split("/")))
        done: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            target = self._link([*done, part])
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > MOST_LINKS:
                raise BivyError(f"{path} in the image is a symlink that leads in circles")
            if target.startswith("/"):
                done = []
            pending += reversed(target.split("/"))
        return "/" + "/".join(done)

    def outside(self, path: str) -> Path:
        """Return where a path inside is on the machine; it need not exist."""
        return self._place(self.follow(path).strip("/").split("/"))

    def _place(self, parts: list[str]) -> Path:
        for length in range(len(parts), 0, -1):
            mounted = self.mounts.get("/" + "/".join(parts[:length]))
            if mounted is not None:
                return mounted.joinpath(*parts[length:])
        return self.root.joinpath(*parts)

    def _link(self, parts: list[str]) -> str | None:
        try:
            return os.readlink(self._place(parts))  # noqa: PTH115 - the verbatim target, not a path of the machine's
        except OSError:
            return None


def read_text(inside: Inside, path: str) -> str:
    """Return the text of a file inside, empty where there is none that can be read."""
    try:
        return inside.outside(path).read_text(errors="replace")
    except OSError:
        return ""


def with_mount(inside: Inside, path: str, source: Path) -> tuple[Inside, str]:
    """Lay a file or folder of the machine's over a path inside; returns the path with its symlinks followed."""
    target = inside.follow(path)
    return Inside(inside.root, {**inside.mounts, target: source}), target


def check_program(inside: Inside, name: str, search: str, directory: str) -> None:
    """Refuse a command that cannot start.

    Args:
        inside: The container's files.
        name: The command's first word.
        search: The container's PATH.
        directory: The container's working directory.

    Raises:
        CommandMissing: No such file.
        CommandNotExecutable: A folder, or a file without permission to execute it.
    """
    if not name:
        raise UsageError("the command is an empty word")
    folders = [directory] if "/" in name else [posixpath.join(directory, folder) for folder in search.split(":")]
    denied = None
    for folder in folders:
        path = posixpath.join(folder, name)
        if inside.follow(path).startswith(UNKNOWN):
            return
        try:
            mode = inside.outside(path).stat().st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & 0o111:
            return
        denied = path
    if denied:
        raise CommandNotExecutable(f"{denied} in the image cannot be executed", hint=f"chmod +x {denied}?")
    where = "" if "/" in name else f" in PATH ({search})"
    raise CommandMissing(f"the image has no {name}{where}", hint="arguments of bivy's own go before the image's name")
