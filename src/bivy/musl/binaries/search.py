"""Which libraries a file brings along when it is loaded, found as musl's loader finds them (1.2.6, ldso/dynlink.c)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bivy.musl.binaries.data import is_musl_itself

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bivy.elf import Elf

_LONGEST_NAME = 255
_MOST_FOLDERS = 1000


@dataclass(frozen=True, slots=True)
class Files:
    """Files that can be loaded, and where else the loader looks.

    A file's place is its path from a root, without a leading slash.

    Attributes:
        read: Returns what is at a place that `find` gave, ``None`` where it is no ELF file that can be read.
        find: Returns the place of the file that a path leads to, links followed; empty where there is none.
        system: The folders that the loader searches for everybody, by place.
        outside: Tells of a library that is there beside the files, by its name: what it exports where that is known.
        names: The places of the files of a name.
        loose: Whether a library of the right name counts as found wherever it lies: for a folder of libraries that
            are to be put where the loader looks.
    """

    read: Callable[[str], Elf | None]
    find: Callable[[str], str]
    system: tuple[str, ...]
    outside: Callable[[str], Library | None]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Library:
    """A library that is there beside the files.

    Attributes:
        elf: What it says of itself, ``None`` where nothing more is known than that it is there.
    """

    elf: Elf | None = None


@dataclass(slots=True)
class Patience:
    """How much is still looked into. Files that all need each other are meant to take for ever.

    Attributes:
        left: How many more places and names.
    """

    left: int

    def spend(self, count: int) -> bool:
        """Take some off; tell whether there was as much."""
        self.left -= count
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file with all that it brings along.

    Attributes:
        files: The places of the files, its own first, in the order in which they are loaded.
        others: The libraries that are there beside the files, as far as their symbols are known.
        whole: Whether nothing is lacking, neither to the file nor to what it brings along.
        complete: Whether all symbols are known that they have together.
        lacking: The names of the libraries that are nowhere, by the place of the file that needs them.
    """

    files: tuple[str, ...]
    others: tuple[Elf, ...]
    whole: bool
    complete: bool
    lacking: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Node:
    """A file or library that has been loaded.

    Attributes:
        elf: What it says of itself.
        path: By which path it was found, empty for a library beside the files.
        place: Its place, empty for a library beside the files.
        folders: Where what it needs is searched: in its own folders, then in those of what led to it.
    """

    elf: Elf
    path: str
    place: str
    folders: tuple[str, ...] = ()


def load(files: Files, place: str, patience: Patience) -> Loaded:
    """Find out what a file brings along, breadth first, as musl's loader does.

    Where patience ends first, what has been found until then is not complete.
    """
    elf = files.read(place)
    if elf is None:
        return Loaded((), (), whole=False, complete=False, lacking={})
    nodes = [_inheriting(_Node(elf, place, place), ())]
    places = {place}
    known: set[str] = set()
    lacking: dict[str, list[str]] = {}
    opaque = False
    for node in nodes:
        folders = (*node.folders, *files.system)
        for name in node.elf.needed:
            if not patience.spend(1):
                break
            if name in known or is_musl_itself(name):
                continue
            patience.spend(2 * len(folders))
            found = _find(files, name, folders)
            if found is None:
                lacking.setdefault(node.place, []).append(name)
                continue
            known.add(name)
            if isinstance(found, Library):
                opaque = opaque or found.elf is None
                nodes += [_Node(found.elf, "", "", node.folders)] if found.elf else []
            elif found.place not in places:
                places.add(found.place)
                nodes.append(_inheriting(found, node.folders))
    whole = not lacking and patience.left >= 0
    return Loaded(
        files=tuple(node.place for node in nodes if node.place),
        others=tuple(node.elf for node in nodes if not node.place),
        whole=whole,
        complete=whole and not opaque,
        lacking=_each_once(lacking),
    )


def _each_once(names: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {place: tuple(dict.fromkeys(those)) for place, those in names.items()}


def _inheriting(node: _Node, folders: tuple[str, ...]) -> _Node:
    """Return a node with its own folders and those of what led to it, each once."""
    own = _search_path(node)
    return replace(node, folders=tuple(dict.fromkeys((*own, *folders)))[:_MOST_FOLDERS] if own else folders)


def _find(files: Files, name: str, folders: tuple[str, ...]) -> _Node | Library | None:
    """Return the file or library of a name, where there is one."""
    if "/" in name:
        return _node(files, _rooted(name)) if name.startswith("/") else None
    if len(name) > _LONGEST_NAME:
        return None
    for folder in folders:
        node = _node(files, posixpath.normpath(posixpath.join(folder, name)))
        if node:
            return node
    return files.outside(name) or (_node(files, files.names.get(name, ("",))[0]) if files.loose else None)


def _node(files: Files, path: str) -> _Node | None:
    place = files.find(path) if path else ""
    elf = files.read(place) if place else None
    return _Node(elf, path, place) if elf else None


def _search_path(node: _Node) -> list[str]:
    """Return the folders of a file's RPATH; a word in it that is not ``$ORIGIN`` makes musl pass over all of it."""
    origin = posixpath.dirname(node.path)
    folders = [re.sub(r"\$(ORIGIN\b|\{ORIGIN\})", f"/{origin}", folder) for folder in node.elf.search_path]
    if any("$" in folder for folder in folders):
        return []
    return [_rooted(folder) for folder in folders if folder.startswith("/")]


def _rooted(path: str) -> str:
    return posixpath.normpath(path).lstrip("/")
