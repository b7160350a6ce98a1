"""Which files say what a project depends on: its lock or requirements, and what these name in turn."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from bivy.app.stale import LOCKS
from bivy.musl.dependencies.workspace import find_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bivy.app.dependencies import Pinned
    from bivy.app.values import Project


def places_beside(project: Project, pinned: Sequence[Pinned]) -> tuple[str, ...]:
    """Return the folders and files outside of a project's folder that its image is made of.

    Args:
        project: The project.
        pinned: What it depends on.
    """
    places = [each.source.place for each in pinned if each.source and each.source.kind == "folder"]
    if project.dependencies:
        places += map(str, _files_named(project))
    found = {os.path.normpath(each) for each in places}
    return tuple(sorted(each for each in found if not Path(each).is_relative_to(project.root)))


def files_of(project: Project) -> Iterator[bytes]:
    """Yield the content of all files that say what is needed: requirements files may name others, and folders."""
    yield from (path.read_bytes() for path in _files_named(project))


def _files_named(project: Project) -> Iterator[Path]:
    if not project.dependencies:
        return
    waiting = [project.root / project.dependencies]
    if waiting[0].name in ("pyproject.toml", *LOCKS):
        waiting += [project.root / "uv.toml"]
    if waiting[0].name == "uv.lock":  # which is held against it
        waiting += [project.root / "pyproject.toml"]
    workspace = find_workspace(project.root) if waiting[0].name in ("pyproject.toml", "uv.lock") else None
    if workspace:
        waiting += [folder / "pyproject.toml" for folder in (workspace.root, *workspace.members.values())]
    seen = set()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        yield path
        content = path.read_bytes()
        if path.suffix in (".txt", ".in"):
            named = re.findall(rb"(?m)^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", content)
            waiting += [path.parent / each.decode("utf-8", "replace") for each in named]
        if path.name not in LOCKS:
            for folder in _named_folders(path, content.decode("utf-8", "replace")):
                waiting += [folder / each for each in ("pyproject.toml", "setup.py", "setup.cfg")]


_FOLDER: Final = re.compile(
    r"""(?m)^\s*(?:-e|--editable)[\s=]*([^\s#\[]+)|^\s*(\.{0,2}/[^\s#\[]*)|file://([^\s"'#\[]+)|"""
    r"""\bpath\s*=\s*["']([^"'\n]+)["']"""
)


def _named_folders(path: Path, text: str) -> Iterator[Path]:
    """Yield the folders that requirements or uv's sources in a text seem to name: those that are there."""
    for found in _FOLDER.finditer(text):
        folder = path.parent / unquote(next(filter(None, found.groups()), ""))
        if folder.is_dir():
            yield folder
