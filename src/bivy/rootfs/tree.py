"""A tree: files, folders and links by path, whose owners and modes are data and never the builder's."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# As many links as Linux follows in one path before it gives up (path_resolution(7)).
MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Tree:
    """Entries by path, each after the folder that it is in; make one with `Tree.of`.

    Attributes:
        entries: What there is, in the order of their paths.
    """

    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Tree:
        """Make a tree; folders that are missing above an entry become root's with mode 0755.

        Raises:
            BivyError: A path leaves the tree, stands twice for different things, is below something that is no
                folder (a link to one neither: it might lead out of the tree), or is a hard link to no file.
        """
        found: dict[str, Entry] = {}
        for entry in entries:
            _check_path(entry.path)
            other = found.setdefault(entry.path, entry)
            if other != entry:
                raise BivyError(f"/{entry.path} is there twice, and not the same")
        for path in sorted(found):
            for parent in parents_of(path):
                above = found.setdefault(parent, Entry(parent, Kind.DIRECTORY, 0o755, mtime=found[path].mtime))
                if above.kind is not Kind.DIRECTORY:
                    raise BivyError(f"/{path} is below /{parent}, which is a {above.kind.value}")
        for entry in found.values():
            if entry.kind is Kind.HARDLINK and getattr(found.get(entry.target), "kind", None) is not Kind.FILE:
                raise BivyError(f"/{entry.path} is another name of /{entry.target}, which is not a file here")
        ordered = sorted(found.values(), key=lambda entry: entry.path.split("/"))
        return cls(MappingProxyType({entry.path: entry for entry in ordered}))

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(len(entry.content) for entry in self.entries.values())

    def resolve(self, path: str) -> Entry | None:
        """Find what a path leads to, following links inside the tree, as the kernel would with the tree as root."""
        left = MOST_LINKS
        here: list[str] = []
        parts = [part for part in path.split("/") if part]
        while parts:
            part = parts.pop(0)
            if part == "..":
                here = here[:-1]
                continue
            if part == ".":
                continue
            entry = self.entries.get("/".join([*here, part]))
            if entry is None:
                return None
            if entry.kind is Kind.SYMLINK:
                if not left:
                    return None
                left -= 1
                here = [] if entry.target.startswith("/") else here
                parts = [*(word for word in entry.target.split("/") if word), *parts]
            elif parts and entry.kind is not Kind.DIRECTORY:
                return None
            else:
                here.append(part)
        found = self.entries.get("/".join(here))
        return self.entries[found.target] if found and found.kind is Kind.HARDLINK else found

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, following links; ``None`` where there is no file."""
        entry = self.resolve(path)
        return entry.content if entry and entry.kind is Kind.FILE else None


def parents_of(path: str) -> list[str]:
    """List the folders above a path, the nearest first; the root is not among them."""
    parents = []
    while path := posixpath.dirname(path):
        parents.append(path)
    return parents


def merge(lower: Tree, upper: Iterable[Entry]) -> Tree:
    """Lay entries over a tree: what is in both is as it is in `upper`.

    A folder stays with what is in it where `upper` has it too, or only something in it. Where `upper` has something
    else in a folder's place, the folder goes with all that is in it.

    Raises:
        BivyError: The result is no tree; see `Tree.of`.
    """
    above = {entry.path: entry for entry in upper}
    covering = {path for path, entry in above.items() if entry.kind is not Kind.DIRECTORY}
    kept = without(lower, lambda path: path in above or not covering.isdisjoint(parents_of(path)))
    return Tree.of({**kept, **above}.values())


def without(tree: Tree, gone: Callable[[str], bool]) -> dict[str, Entry]:
    """Return the entries of a tree but for those that are gone, and those that were only another name of one."""
    kept = {}
    for path, entry in tree.entries.items():
        if gone(path):
            continue
        # A file is there as long as one of its names is: the others keep the content that it had.
        lost = entry.kind is Kind.HARDLINK and gone(entry.target)
        kept[path] = replace(tree.entries[entry.target], path=path) if lost else entry
    return kept


def normalise(tree: Tree, epoch: int) -> Tree:
    """Give every entry one time, so that it does not matter when anything was made.

    SOURCE_DATE_EPOCH's specification asks for times that are no later than it. Earlier ones are replaced too: they
    would be those of whoever unpacked a source or of the tool that did, and one time compresses to nothing.

    Args:
        tree: The tree.
        epoch: The time, in seconds since 1970.
    """
    return Tree(MappingProxyType({path: replace(entry, mtime=epoch) for path, entry in tree.entries.items()}))


def _check_path(path: str) -> None:
    parts = path.split("/")
    if not path or "" in parts or "." in parts or ".." in parts or "\0" in path:
        raise BivyError(f"{path!r} is not a path inside a tree")
