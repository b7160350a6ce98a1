"""Which libraries a file brings along when it is loaded, found as musl's loader finds them (1.2.6, ldso/dynlink.c)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bivy.musl.binaries.data import is_musl_itself

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bivy.elf import Elf

_LONGEST_NAME = 255


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
        steps: How many places were looked into.
        cut_short: Whether there were more to look into than was allowed.
        lacking: The names of the libraries that are nowhere, by the place of the file that needs them.
    """

    files: tuple[str, ...]
    others: tuple[Elf, ...]
    whole: bool
    complete: bool
    lacking: Mapping[str, tuple[str, ...]]
    steps: int = 0
    cut_short: bool = False


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


def load(files: Files, place: str, *, most: int) -> Loaded:
    """Find out what a file brings along, breadth first, as musl's loader does.

    Args:
        files: What there is.
        place: The file's place.
        most: How many places are looked into, before the rest is left out.
    """
    elf = files.read(place)
    if elf is None:
        return Loaded((), (), whole=False, complete=False, lacking={})
    nodes = [_Node(elf, place, place, None)]
    names: dict[str, bool] = {}
    places = {place}
    lacking: dict[str, list[str]] = {}
    whole = complete = True
    steps = 0
    for node in nodes:
        folders = _folders(files, node)
        for name in node.elf.needed:
            known = names.get(name, is_musl_itself(name))
            if known:
                continue
            steps += len(folders) + 1
            if steps > most:
                return Loaded(
                    tuple(node.place for node in nodes if node.place), (), whole=False, complete=False,
                    lacking=_each_once(lacking), steps=steps, cut_short=True,
                )  # fmt: skip
            found = _find(files, name, folders)
            names[name] = found is not None
            if found is None:
                whole = complete = False
                lacking.setdefault(node.place, []).append(name)
            elif isinstance(found, Library):
                complete = complete and found.elf is not None
                nodes += [_Node(found.elf, "", "", node)] if found.elf else []
            elif found.place not in places:
                places.add(found.place)
                nodes.append(replace(found, parent=node))
    return Loaded(
        tuple(node.place for node in nodes if node.place),
        tuple(node.elf for node in nodes if not node.place),
        whole, complete, _each_once(lacking), steps,
    )  # fmt: skip


def _each_once(names: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {place: tuple(dict.fromkeys(those)) for place, those in names.items()}


def _folders(files: Files, node: _Node) -> list[str]:
    """Return the folders that the loader searches for what a file needs, each once: its own, those that led to it."""
    return list(dict.fromkeys([*(folder for above in node.chain() for folder in _search_path(above)), *files.system]))


def _find(files: Files, name: str, folders: list[str]) -> _Node | Library | None:
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
    return _Node(elf, path, place, None) if elf else None


def _search_path(node: _Node) -> list[str]:
    """Return the folders of a file's RPATH; a word in it that is not ``$ORIGIN`` makes musl pass over all of it."""
    origin = posixpath.dirname(node.path)
    folders = [re.sub(r"\$(ORIGIN\b|\{ORIGIN\})", f"/{origin}", folder) for folder in node.elf.search_path]
    if any("$" in folder for folder in folders) or not node.place:
        return []
    return [_rooted(folder) for folder in folders if folder.startswith("/")]


def _rooted(path: str) -> str:
    return posixpath.normpath(path).lstrip("/")
