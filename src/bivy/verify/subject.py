"""An image as checks look at it: its files, its ELF files and its package database, each read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from bivy.alpine import INSTALLED
from bivy.apk.database import parse_installed
from bivy.apk.entry import Kind
from bivy.apk.errors import ApkError
from bivy.elf import ElfError, is_elf, read_elf
from bivy.errors import BivyError
from bivy.oci.image import read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bivy.apk.database import InstalledFile, InstalledPackage
    from bivy.apk.entry import Entry
    from bivy.elf import Elf
    from bivy.oci.image import Image
    from bivy.rootfs.tree import Tree


@dataclass(frozen=True, slots=True)
class Subject:
    """An image that is looked at.

    Attributes:
        image: The image.
        where: What the person calls it.
        cache: bivy's cache folder, for what is under way.
        tree: Its files; ``None`` where a layer cannot be read.
        tree_fault: Why not.
        elves: Its ELF files, by path, those with several names once.
        damaged: What is wrong with those that cannot be read, by path.
        packages: What its package database has; ``None`` where it has none, or one that cannot be read.
        packages_fault: Why not.
        here: Folders of this machine's, of which no image should know.
    """

    image: Image
    where: str
    cache: Path
    tree: Tree | None = None
    tree_fault: str = ""
    elves: Mapping[str, Elf] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[InstalledPackage, ...] | None = None
    packages_fault: str = ""
    here: tuple[str, ...] = ()

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The files, folders and links, by path."""
        return self.tree.entries if self.tree else MappingProxyType({})

    def text(self, path: str) -> str | None:
        """Return a file's text, links followed; ``None`` where there is no file."""
        content = self.tree.read(path) if self.tree else None
        return None if content is None else content.decode("utf-8", "replace")


def read_subject(image: Image, where: str, cache: Path) -> Subject:
    """Read an image; what cannot be read is said in the result, since other checks still can be made.

    Args:
        image: The image.
        where: What the person calls it.
        cache: bivy's cache folder.
    """
    try:
        tree = read_tree(image, where)
    except BivyError as fault:
        return Subject(image, where, cache, tree_fault=f"its files cannot be read: {fault}", here=(str(cache),))
    elves, damaged = {}, {}
    for path, entry in tree.entries.items():
        if entry.kind is Kind.FILE and is_elf(entry.content):
            try:
                elves[path] = read_elf(entry.content)
            except ElfError as fault:
                damaged[path] = str(fault)
    packages, without = _packages(tree)
    return Subject(image, where, cache, tree, "", elves, damaged, packages, without, (str(cache),))


def _packages(tree: Tree) -> tuple[tuple[InstalledPackage, ...] | None, str]:
    content = next((content for path in INSTALLED if (content := tree.read(path)) is not None), None)
    if content is None:
        return None, "it has no package database of apk's (/lib/apk/db/installed)"
    try:
        return parse_installed(content.decode("utf-8", "replace")), ""
    except ApkError as fault:
        return None, f"its package database cannot be read: {fault}"


def files_of(package: InstalledPackage) -> Iterator[tuple[str, InstalledFile]]:
    """Yield the path and the record of each file and link that a package has."""
    for folder in package.folders:
        for file in folder.files:
            yield (f"{folder.path}/{file.name}" if folder.path else file.name), file
