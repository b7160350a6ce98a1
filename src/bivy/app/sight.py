"""What a project looks like at one moment, by the rules by which its image is made; and what changed between two."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.app.files import find_files
from bivy.app.project import DECLARING, meant_by, read_said
from bivy.errors import BivyError
from bivy.files import look_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Sight:
    """What a project looks like.

    Attributes:
        files: By path, relative to the project's folder, what a file that decides about the image looks like: its
            permissions, size, times and inode.
        fault: Why the files cannot all be told; empty where they can.
        folders: The folders in which something has to happen for any of this to change.
        exclude: The patterns of what is left out.
    """

    files: Mapping[str, tuple[int, ...]]
    fault: str
    folders: frozenset[Path]
    exclude: tuple[str, ...] = ()

    def differs(self, other: Sight) -> bool:
        """Tell whether the image may have to be another one."""
        return self.files != other.files or self.fault != other.fault


def look_at(where: Path, told: Mapping[str, object], before: Sight | None = None, listed: Path | None = None) -> Sight:
    """Look at a project.

    Args:
        where: Its folder, one of the files that say what it needs, or a script.
        told: What the command line says of its image.
        before: What it looked like before: that is what is left out for as long as its options cannot be read.
        listed: The file that bivy itself writes a list of what is in the image to.
    """
    where = meant_by(where.absolute())
    if not where.is_dir():
        return Sight(_states(where.parent, (where.name, f"{where.name}.lock")), "", frozenset({where.parent}))
    root = where.resolve()
    try:
        exclude = read_said(root, told)[1].options.exclude
    except BivyError:
        exclude = before.exclude if before else ()
    try:
        found = find_files(root, exclude)
    except BivyError as fault:
        folders = before.folders if before else frozenset({root})
        return Sight(_states(root, DECLARING), str(fault), folders, exclude)
    own = {file.path for file in found.files if listed and _is_listed(root / file.path, listed)}
    paths = [*(file.path for file in found.files if file.path not in own), *DECLARING]
    return Sight(_states(root, paths), "", frozenset(root / folder for folder in found.folders), exclude)


def with_beside(sight: Sight, beside: Sequence[str]) -> Sight:
    """Return a sight that has what lies outside of the project's folder, too: dependencies, the workspace's lock.

    Args:
        sight: What the project itself looks like.
        beside: Folders and files, by their whole paths.
    """
    files, folders = dict(sight.files), set(sight.folders)
    for place in map(Path, beside):
        if not place.is_dir():
            files |= _states(Path("/"), (str(place),))
            folders.add(place.parent)
            continue
        with contextlib.suppress(BivyError):  # what cannot be read, the next build says
            found = find_files(place, ())
            files |= {f"{place}/{path}": state for path, state in
                      _states(place, [file.path for file in found.files]).items()}  # fmt: skip
            folders |= {place / folder for folder in found.folders}
    return replace(sight, files=files, folders=frozenset(folders))


def _states(root: Path, paths: Iterable[str]) -> dict[str, tuple[int, ...]]:
    states: dict[str, tuple[int, ...]] = {}
    for path in paths:
        with contextlib.suppress(OSError):  # it is gone again, or was never there
            status = (root / path).lstat()
            states[path] = (status.st_mode, *look_of(status))
    return states


def _is_listed(path: Path, listed: Path) -> bool:
    """Tell whether a file is a list that bivy writes: the one that was named, or one of those for each platform."""
    listed = listed.absolute()
    return path == listed or (path.parent == listed.parent and path.match(f"{listed.stem}-*{listed.suffix}"))


def spell_changes(before: Sight, now: Sight) -> str:
    """Say in a few words what changed: ``main.py changed``, ``a.py, b.py, c.py and 3 more changed``."""
    paths = sorted(path for path in before.files.keys() | now.files.keys()
                   if before.files.get(path) != now.files.get(path))  # fmt: skip
    if not paths:
        return "something changed"
    if len(paths) == 1:
        what = "changed" if paths[0] in before.files and paths[0] in now.files else "added"
        return f"{paths[0]} {what if paths[0] in now.files else 'removed'}"
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{', '.join(paths[:_SHOWN])}{more} changed"
