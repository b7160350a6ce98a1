"""Packages become trees: one for each layer, each with only what it adds to those below and to a base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bivy.apk import tar, version
from bivy.apk.database import Recorded, database_entries
from bivy.apk.dependency import parse_dependency
from bivy.apk.entry import Entry, Kind
from bivy.apk.package import format_checksum
from bivy.errors import BivyError
from bivy.rootfs.tree import Tree, parents_of, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bivy.apk.database import InstalledPackage
    from bivy.apk.package import Package
    from bivy.rootfs.base import BaseRootfs


@dataclass(frozen=True, slots=True)
class Root:
    """Packages put on top of each other, and who has what in the end.

    Attributes:
        trees: A tree for each group of packages, from the lowest; before them the base's, where there is one. A folder
            that a lower tree has is in a higher one only where something in it is, and then as the lower one has it.
        packages: The packages, in the order of the groups, each with only what no other one took over.
        below: The base's packages that are still there, likewise.
    """

    trees: tuple[Tree, ...]
    packages: tuple[Package, ...]
    below: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True)
class _Owner:
    """A package as far as it decides whose file stays."""

    name: str
    version: str = ""
    origin: str = ""
    replaces: tuple[str, ...] = ()
    priority: int = 0
    checksums: Mapping[str, str] | None = None


def install(groups: Sequence[Sequence[Package]]) -> list[Tree]:
    """Put groups of packages on top of each other, and return a tree for each; see `install_root`."""
    return list(install_root(groups).trees)


def install_root(groups: Sequence[Sequence[Package]], base: BaseRootfs | None = None) -> Root:
    """Put groups of packages on top of each other, and of a base where there is one.

    A package that the base has in another version is replaced: what only the old one had goes. As apk does, a file in
    ``/etc`` that is not as the base's package brought it stays, and the new one is put beside it as ``.apk-new``.

    Args:
        groups: The packages of each layer, from the lowest.
        base: What they are put on.

    Raises:
        BivyError: Two packages have different files of the same name and neither replaces the other's, or a folder
            that is a file elsewhere.
    """
    owners: dict[str, _Owner] = {}
    below: dict[str, Entry] = {}
    trees = []
    if base is not None:
        tree = _without_replaced(base, [package for group in groups for package in group])
        owners = _owners_of(base)
        below = dict(tree.entries)
        trees.append(tree)
    packages_of: dict[str, Package] = {}
    for group in groups:
        here: dict[str, Entry] = {}
        for package in group:
            owner = _owner_of(package)
            packages_of[owner.name] = package
            for entry in package.entries:
                placed = _place(owner, entry, here.get(entry.path) or below.get(entry.path), owners)
                if placed is not None:
                    here[placed.path] = placed
                    owners[entry.path] = owner
        own = (_own(entry, owners, packages_of) for entry in here.values())
        trees.append(Tree.of([*own, *_shared(here, below)]))
        below |= here
    return Root(
        tuple(trees),
        tuple(_as_owned(package, owners) for group in groups for package in group),
        tuple(_still_there(base, packages_of, owners)) if base else (),
    )


def database_tree(root: Root, world: Sequence[str], arch: str) -> Tree:
    """Return the tree that makes apk take a root's packages for installed: the topmost, since it changes with all.

    Args:
        root: What is installed.
        world: What was asked for.
        arch: Alpine's name of the architecture.

    Raises:
        ApkError: A word of the world is not one.
        BivyError: ``/lib/apk`` or ``/etc/apk`` in the trees is no folder.
    """
    view = {path: entry for tree in root.trees for path, entry in tree.entries.items()}
    entries = []
    for entry in database_entries([*root.below, *root.packages], world, arch):
        path = _through_links(entry.path, view)
        known = view.get(path)
        entries.append(known if known and known.kind is entry.kind is Kind.DIRECTORY else replace(entry, path=path))
    return Tree.of([*entries, *_shared({entry.path: entry for entry in entries}, view)])


def _through_links(path: str, view: Mapping[str, Entry]) -> str:
    """Follow a link at the beginning of a path: ``/lib`` is one to ``usr/lib`` in some releases."""
    first, _, rest = path.partition("/")
    link = view.get(first)
    if link is None or link.kind is not Kind.SYMLINK:
        return path
    return f"{link.target.strip('/')}/{rest}"


def _shared(here: Mapping[str, Entry], below: Mapping[str, Entry]) -> list[Entry]:
    """Return the folders of lower trees that something here is in."""
    found = {folder: below[folder] for path in here for folder in parents_of(path) if folder in below}
    return [entry for folder, entry in found.items() if folder not in here]


def _own(entry: Entry, owners: Mapping[str, _Owner], packages: Mapping[str, Package]) -> Entry:
    """Make another name of a file, which another package replaced, the file: it means its own package's content."""
    owner = owners.get(entry.path)
    if entry.kind is not Kind.HARDLINK or owner is None or owners.get(entry.target, owner) is owner:
        return entry
    original = next((other for other in packages[owner.name].entries if other.path == entry.target), entry)
    return replace(original, path=entry.path)


def _place(owner: _Owner, entry: Entry, known: Entry | None, owners: Mapping[str, _Owner]) -> Entry | None:
    """Say where a package's entry goes; nowhere where what is there stays."""
    if known is None:
        return entry
    alike = replace(entry, mtime=known.mtime, user=known.user, group=known.group) == known
    if alike or known.kind is entry.kind is Kind.DIRECTORY:
        return None
    other = owners.get(entry.path)
    if Kind.DIRECTORY in (known.kind, entry.kind):
        by = other.name if other else "the base"
        raise BivyError(f"/{entry.path} is a {entry.kind.value} in {owner.name}, and a {known.kind.value} in {by}")
    if other is not None and other.name != owner.name and not _supersedes(owner, other, entry.path):
        return None
    if _is_configuration(entry.path) and _was_changed(known, other):
        return replace(entry, path=f"{entry.path}.apk-new")
    return entry


def _is_configuration(path: str) -> bool:
    """Tell whether a file is one that people change; apk's default, whatever `/etc/apk/protected_paths.d` may say."""
    return path.startswith("etc/") and not path.startswith("etc/apk/")


def _was_changed(known: Entry, owner: _Owner | None) -> bool:
    """Tell whether a file of the base's is not as its package brought it, or came from none."""
    if owner is None:
        return True
    if owner.checksums is None:
        return False
    checksum = tar.checksum_of(known)
    return checksum is not None and owner.checksums.get(known.path) != format_checksum(checksum)


def _supersedes(new: _Owner, other: _Owner, path: str) -> bool:
    """Tell whether a package's file takes the place of another package's (apk-tools 2.14, database.c)."""
    if new.origin and new.origin == other.origin:
        return True
    ours = new.priority if _replaces(new, other) else -1
    theirs = other.priority if _replaces(other, new) else -1
    if max(ours, theirs) < 0:
        raise BivyError(
            f"/{path} is in two packages, {other.name} and {new.name}",
            hint="one of the recipes has to leave it out, or to say `replaces`",
        )
    return ours >= theirs


def _replaces(one: _Owner, other: _Owner) -> bool:
    for word in one.replaces:
        asked = parse_dependency(word)
        if asked.name == other.name:
            fits = not asked.operator or version.satisfies(other.version, asked.operator, asked.version)
            return fits is not asked.conflict
    return False


def _owner_of(package: Package) -> _Owner:
    info = package.info
    return _Owner(info.name, info.version, info.origin, info.replaces, info.replaces_priority or 0)


def _owners_of(base: BaseRootfs) -> dict[str, _Owner]:
    owners = {}
    for recorded in base.packages:
        found = recorded.installed
        checksums = dict(_files_of(found))
        entry = found.entry
        owner = _Owner(entry.name, entry.version, entry.origin, found.replaces, found.replaces_priority, checksums)
        owners.update(dict.fromkeys((*checksums, *(folder.path for folder in found.folders)), owner))
    return owners


def _files_of(package: InstalledPackage) -> Iterable[tuple[str, str]]:
    for folder in package.folders:
        for file in folder.files:
            yield (f"{folder.path}/{file.name}" if folder.path else file.name), file.checksum


def _without_replaced(base: BaseRootfs, packages: Sequence[Package]) -> Tree:
    """Return the base's tree without what only older versions of some packages have in it."""
    new = {package.info.name for package in packages}
    old = [each.installed for each in base.packages if each.installed.entry.name in new]
    if not old:
        return base.tree
    stays = {entry.path for package in packages for entry in package.entries}
    stays |= {path for each in base.packages if each.installed not in old for path, _ in _files_of(each.installed)}
    owners = _owners_of(base)
    gone = {
        path for each in old for path, _ in _files_of(each)
        if path not in stays and path in base.tree.entries
        and not (_is_configuration(path) and _was_changed(base.tree.entries[path], owners[path]))
    }  # fmt: skip
    return Tree.of(without(base.tree, gone.__contains__).values())


def _as_owned(package: Package, owners: Mapping[str, _Owner]) -> Package:
    """Return a package with only the files that are its own in the end; folders are shared."""
    name = package.info.name
    lost = {
        entry.path for entry in package.entries
        if entry.kind is not Kind.DIRECTORY and entry.path in owners and owners[entry.path].name != name
    }  # fmt: skip
    if not lost:
        return package
    originals = {entry.path: entry for entry in package.entries}
    kept = (
        replace(originals[entry.target], path=entry.path)
        if entry.kind is Kind.HARDLINK and entry.target in lost
        else entry
        for entry in package.entries
        if entry.path not in lost
    )
    return replace(package, entries=tuple(kept))


def _still_there(base: BaseRootfs, replaced: Mapping[str, Package], owners: Mapping[str, _Owner]) -> Iterable[Recorded]:
    """Yield the base's packages that no newer version replaced, with the files that nobody took over."""
    for recorded in base.packages:
        name = recorded.installed.entry.name
        if name in replaced:
            continue
        lost = {path for path, _ in _files_of(recorded.installed) if owners[path].name != name}
        yield recorded if not lost else replace(recorded, installed=_without_files(recorded.installed, lost))


def _without_files(package: InstalledPackage, lost: set[str]) -> InstalledPackage:
    folders = tuple(
        replace(
            folder,
            files=tuple(
                file for file in folder.files
                if (f"{folder.path}/{file.name}" if folder.path else file.name) not in lost
            ),
        )
        for folder in package.folders
    )  # fmt: skip
    return replace(package, folders=folders)
