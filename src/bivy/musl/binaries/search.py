"""Which libraries a file brings along when it is loaded, found as musl's loader finds them (1.2.6, ldso/dynlink.c)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bivy.musl.binaries.data import is_musl_itself

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bivy.elf import Elf

# A file that brings along more than this many is a loop of a tree's links.
_MOST_LIBRARIES = 4096


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


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file with all that it brings along.

    Attributes:
        files: The places of the files, its own first, in the order in which they are loaded.
        others: The libraries that are there beside the files, as far as their symbols are known.
        whole: Whether nothing is lacking, neither to the file nor to what it brings along.
        complete: Whether all symbols are known that they have together.
        lacking: The names of libraries that the file itself needs and that are nowhere.
    """

    files: tuple[str, ...]
    others: tuple[Elf, ...]
    whole: bool
    complete: bool
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    """A file or library that has been loaded, and by which it came."""

    elf: Elf
    path: str
    place: str
    parent: _Node | None

    def chain(self) -> Iterator[_Node]:
        node: _Node | None = self
        while node:
            yield node
            node = node.parent


def load(files: Files, place: str) -> Loaded:
    """Find out what a file brings along, breadth first, as musl's loader does."""
    elf = files.read(place)
    if elf is None:
        return Loaded((), (), whole=False, complete=False, lacking=())
    nodes = [_Node(elf, place, place, None)]
    names: set[str] = set()
    places = {place}
    whole = complete = True
    lacking: list[str] = []
    for node in nodes:
        for name in node.elf.needed:
            if name in names or is_musl_itself(name):
                continue
            found = _find(files, name, node)
            if isinstance(found, Library):
                names.add(name)
                if found.elf is None:
                    complete = False
                else:
                    nodes.append(_Node(found.elf, "", "", node))
                continue
            other = files.find(found) if found else ""
            read = files.read(other) if other else None
            if read is None:
                whole = complete = False
                if node is nodes[0]:
                    lacking.append(name)
                continue
            names.add(name)
            if other not in places and len(nodes) < _MOST_LIBRARIES:
                places.add(other)
                nodes.append(_Node(read, found, other, node))
    return Loaded(
        tuple(node.place for node in nodes if node.place),
        tuple(node.elf for node in nodes if not node.place),
        whole,
        complete,
        tuple(dict.fromkeys(lacking)),
    )


def _find(files: Files, name: str, node: _Node) -> str | Library:
    """Return the path where a library lies, or what is known of it; an empty one where it is not found."""
    if "/" in name:
        return _rooted(name) if name.startswith("/") and files.find(_rooted(name)) else files.outside(name) or ""
    if len(name) > 255:
        return ""
    folders = [folder for above in node.chain() for folder in _search_path(above)]
    for folder in (*folders, *files.system):
        path = posixpath.normpath(posixpath.join(folder, name))
        if files.find(path):
            return path
    outside = files.outside(name)
    if outside:
        return outside
    return files.names.get(name, ("",))[0] if files.loose else ""


def _search_path(node: _Node) -> list[str]:
    """Return the folders of a file's RPATH; a word in it that is not ``$ORIGIN`` makes musl pass over all of it."""
    origin = posixpath.dirname(node.path)
    folders = [re.sub(r"\$(ORIGIN\b|\{ORIGIN\})", f"/{origin}", folder) for folder in node.elf.search_path]
    if any("$" in folder for folder in folders) or not node.place:
        return []
    return [_rooted(folder) for folder in folders if folder.startswith("/")]


def _rooted(path: str) -> str:
    return posixpath.normpath(path).lstrip("/")
