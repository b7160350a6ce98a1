"""Packages become trees: one for each layer, each with only what it adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError
from bivy.rootfs.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.apk.package import Package


def install(groups: Sequence[Sequence[Package]]) -> list[Tree]:
    """Put groups of packages on top of each other.

    Args:
        groups: The packages of each layer, from the lowest.

    Returns:
        A tree for each group. A folder that a lower tree has is in a higher one only where something in it is, and
        then as the lower one has it.

    Raises:
        BivyError: Two packages have a file of the same name and neither replaces the other's, or a folder that is a
            file elsewhere.
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
        for path in list(here):
            folder = path.rpartition("/")[0]
            while folder:
                if folder not in here and folder in below:
                    here[folder] = below[folder]
                folder = folder.rpartition("/")[0]
        below |= here
        trees.append(Tree.of(here.values()))
    return trees


def _supersedes(package: Package, owner: Package, entry: Entry, known: Entry) -> bool:
    """Tell whether a package's entry takes the place of another package's."""
    if entry.kind is Kind.DIRECTORY and known.kind is Kind.DIRECTORY:
        return False
    if owner.info.name in _names(package.info.replaces):
        return True
    if package.info.name in _names(owner.info.replaces):
        return False
    raise BivyError(
        f"/{entry.path} is in two packages, {owner.info.name} and {package.info.name}",
        hint="one of the recipes has to leave it out, or to say `replaces`",
    )


def _names(replaces: Sequence[str]) -> set[str]:
    return {word.partition("<")[0].partition("=")[0].partition(">")[0].partition("~")[0] for word in replaces}
