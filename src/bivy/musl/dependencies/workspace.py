"""The workspace that a project belongs to: several projects with one lock, as uv's documentation describes them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bivy.musl.archives.standards import normalised
from bivy.tables import table_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace.

    Attributes:
        root: The folder that it is declared in, with its lock.
        sources: Where its members take what from that no index has (``[tool.uv.sources]`` of the root).
        members: The folders of its projects, by their normalised names; the root's own is among them.
    """

    root: Path
    sources: Mapping[str, Any]
    members: Mapping[str, Path]


def find_workspace(folder: Path) -> Workspace | None:
    """Return the workspace that the project in a folder belongs to; ``None`` where it belongs to none.

    What cannot be read is passed over: whoever reads the project itself says what is wrong with it.
    """
    folder = folder.resolve()
    for root in (folder, *folder.parents):
        uv = _uv_table(root)
        told = uv.get("workspace")
        if isinstance(told, dict):
            sources = uv.get("sources", {})
            found = Workspace(
                root, sources if isinstance(sources, dict) else {}, MappingProxyType(_members(root, told))
            )
            return found if folder == root or folder in found.members.values() else None
    return None


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        return {}


def _uv_table(folder: Path) -> Mapping[str, Any]:
    return table_at(_read(folder), "tool", "uv")


def _members(root: Path, told: Mapping[str, Any]) -> dict[str, Path]:
    left_out = set(_folders(root, told.get("exclude", ())))
    found: dict[str, Path] = {}
    for folder in (root, *_folders(root, told.get("members", ()))):
        project = _read(folder).get("project", {}) if folder not in left_out else {}
        if isinstance(project, dict) and isinstance(name := project.get("name"), str):
            found.setdefault(normalised(name), folder)
    return found


def _folders(root: Path, patterns: object) -> Iterator[Path]:
    for pattern in patterns if isinstance(patterns, list) else ():
        if isinstance(pattern, str) and pattern and not pattern.startswith("/"):
            yield from (each for each in sorted(root.glob(pattern)) if each.is_dir())
