"""Packages become trees: one for each layer, each with only what it adds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bivy.apk.dependency import name_of
from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError
from bivy.rootfs.tree import Tree, parents_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.apk.package import Package


def install(groups: Sequence[Sequence[Package]]) -> list[Tree]:
    """Put groups of packages on top of each other.

    Args:
        groups: The packages of each layer, from the lowest.

    Returns:
        A tree for each group. A folder that a lower tree has is in a higher one only where something in it is, and
        then as the lower one has it.

    Raises:
        BivyError: Two packages have different files of the same name and neither replaces the other's, or a folder
            that is a file elsewhere.
    """
    owners: dict[str, Package] = {}
    below: dict[str, Entry] = {}
    trees = []
    for group in groups:
        here: dict[str, Entry] = {}
        for package in group:
            for entry in package.entries:
                known = here.get(entry.path) or below.get(entry.path)
                if known is None or _supersedes(package, owners[entry.path], entry, known):
                    here[entry.path] = entry
                    owners[entry.path] = package
        tree = Tree.of([*(_own(entry, owners) for entry in here.values()), *_shared(here, below)])
        below |= here
        trees.append(tree)
    return trees


def _shared(here: Mapping[str, Entry], below: Mapping[str, Entry]) -> list[Entry]:
    """Return the folders of lower trees that something here is in."""
    return [below[folder] for path in here for folder in parents_of(path) if folder in below and folder not in here]


def _own(entry: Entry, owners: Mapping[str, Package]) -> Entry:
    """Make another name of a file, which another package replaced, the file: it means its own package's content."""
    owner = owners[entry.path]
    if entry.kind is not Kind.HARDLINK or owners.get(entry.target, owner) is owner:
        return entry
    original = next((other for other in owner.entries if other.path == entry.target), entry)
    return replace(original, path=entry.path)


def _supersedes(package: Package, owner: Package, entry: Entry, known: Entry) -> bool:
    """Tell whether a package's entry takes the place of another package's."""
    if entry.kind is Kind.DIRECTORY and known.kind is Kind.DIRECTORY:
        return False
    if replace(entry, mtime=known.mtime) == known:
        return False
    if owner.info.name in map(name_of, package.info.replaces):
        return True
    if package.info.name in map(name_of, owner.info.replaces):
        return False
    raise BivyError(
        f"/{entry.path} is in two packages, {owner.info.name} and {package.info.name}",
        hint="one of the recipes has to leave it out, or to say `replaces`",
    )
