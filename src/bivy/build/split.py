"""What a build installed, split among its packages."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.apk.info import PackageInfo
from bivy.build.minimum import libraries_of, with_minimum_versions
from bivy.build.recipe import Subpackage
from bivy.build.scan import scan
from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.arch import Arch
    from bivy.build.minimum import Library
    from bivy.build.recipe import Permission, Recipe, RecipeData

# Documentation goes into no package, as on Alpine, where it has packages of its own that images leave out; libtool's
# archives name folders of the machine that built them.
NEVER_PACKAGED = ("usr/share/man", "usr/share/doc", "usr/share/info", "usr/share/gtk-doc", "*.la")


@dataclass(frozen=True, slots=True)
class Part:
    """One package of a recipe's, before it is written.

    Attributes:
        info: What it says of itself.
        entries: Its files, folders and links.
        scripts: What runs when it is installed or removed, by apk's names.
    """

    info: PackageInfo
    entries: tuple[Entry, ...]
    scripts: Mapping[str, bytes]


def read_installed(folder: Path, permissions: Mapping[str, Permission], *, epoch: int) -> dict[str, Entry]:
    """Read a folder of installed files: root's, all with one time, by path.

    Args:
        folder: What ``$DESTDIR`` was.
        permissions: Who owns what, where that is not root.
        epoch: The time that every entry gets, in seconds since 1970.

    Raises:
        BivyError: Something is neither file, folder nor link, a permission is for a path that is not there, or a file
            runs as its owner and no permission says that it is to.
    """
    entries: dict[str, Entry] = {}
    first_names: dict[int, str] = {}
    for found in sorted(_walk(folder), key=lambda path: path.relative_to(folder).as_posix()):
        path = found.relative_to(folder).as_posix()
        status = found.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            entry = Entry(path, Kind.SYMLINK, 0o777, mtime=epoch, target=os.readlink(found))  # noqa: PTH115 - verbatim
        elif stat.S_ISDIR(status.st_mode):
            entry = Entry(path, Kind.DIRECTORY, mode, mtime=epoch)
        elif not stat.S_ISREG(status.st_mode):
            raise BivyError(f"{path} was installed, which is neither a file, a folder nor a link")
        elif status.st_ino in first_names:
            entry = Entry(path, Kind.HARDLINK, mode, mtime=epoch, target=first_names[status.st_ino])
        else:
            entry = Entry(path, Kind.FILE, mode, mtime=epoch, content=found.read_bytes())
            if status.st_nlink > 1:
                first_names[status.st_ino] = path
        entries[path] = entry
    for path, entry in entries.items():
        if entry.kind is Kind.FILE and entry.mode & 0o6000 and path not in permissions:
            raise BivyError(
                f"{path} was installed with mode {entry.mode:04o}: who runs it becomes its owner",
                hint=f'where that is meant, the recipe says so: [permissions."{path}"] with mode = "{entry.mode:04o}"',
            )
    for path, permission in permissions.items():
        if path not in entries:
            raise BivyError(f"permissions name {path}, which was not installed")
        entries[path] = _with_permission(entries[path], permission)
    return entries


def split(
    installed: Mapping[str, Entry], recipe: Recipe, arch: Arch, *, epoch: int, libraries: Mapping[str, Library]
) -> list[Part]:
    """Split what was installed among the recipe's packages.

    Args:
        installed: What `read_installed` gave.
        recipe: The recipe.
        arch: The architecture that it was built for.
        epoch: The packages' date, in seconds since 1970.
        libraries: The shared libraries that there were while building, by ``so:`` and soname.

    Returns:
        The packages, the main one last; it is left out where nothing is left for it.

    Raises:
        BivyError: A sub-package gets nothing, a check of the recipe does not hold, or a file is not as it must be.
    """
    data = recipe.data
    remaining = {
        path: entry for path, entry in installed.items() if not _matches(path, (*NEVER_PACKAGED, *data.remove))
    }
    parts: list[tuple[Subpackage, dict[str, Entry]]] = []
    for sub in data.subpackages:
        taken = {
            path: entry
            for path, entry in remaining.items()
            if (entry.kind is not Kind.DIRECTORY and _matches(path, sub.files)) or _folder_named(path, sub.files)
        }
        if not taken:
            raise BivyError(f"{recipe.name}: nothing was installed that {sub.name} takes ({', '.join(sub.files)})")
        for path in taken:
            del remaining[path]
        parts.append((sub, taken))
    left = _without_emptied_folders(remaining, installed)
    if left:
        parts.append((_main_package(data), left))
    owners = {path: part.name for part, taken in parts for path in taken}
    packages = [_package(part, taken, recipe, installed, owners, arch, epoch) for part, taken in parts]
    own = {**libraries, **libraries_of(package.info for package in packages)}
    packages = [
        replace(p, info=replace(p.info, depends=tuple(sorted(with_minimum_versions(p.info.depends, own)))))
        for p in packages
    ]
    _check(recipe, packages)
    return packages


def _package(
    part: Subpackage,
    taken: Mapping[str, Entry],
    recipe: Recipe,
    installed: Mapping[str, Entry],
    owners: Mapping[str, str],
    arch: Arch,
    epoch: int,
) -> Part:
    """Put one package together from the files that it takes."""
    entries = _with_parents(taken, installed)
    read = scan(entries, arch=arch, version=recipe.version)
    siblings = {f"{name}={recipe.version}" for name in _siblings(part.name, taken, owners)}
    scripts = {name: (recipe.folder / file).read_bytes() for name, file in part.scripts.items()}
    info = PackageInfo(
        name=part.name,
        version=recipe.version,
        arch=arch.name,
        description=part.description or recipe.data.description,
        url=recipe.data.url,
        license=recipe.data.license,
        origin=recipe.name,
        build_date=epoch,
        depends=tuple(sorted({*part.depends, *read.depends, *siblings, *_interpreters(scripts)})),
        provides=tuple(sorted({*part.provides, *read.provides})),
        replaces=part.replaces,
        install_if=part.install_if,
        triggers=part.triggers,
        provider_priority=part.provider_priority,
        replaces_priority=part.replaces_priority,
    )
    return Part(info, tuple(entries), scripts)


def _interpreters(scripts: Mapping[str, bytes]) -> set[str]:
    """Find what has to be there for scripts to run; abuild names /bin/sh as well."""
    return {content.split(b"\n", 1)[0].removeprefix(b"#!").split()[0].decode() for content in scripts.values()}


def _main_package(data: RecipeData) -> Subpackage:
    return Subpackage(
        data.name, (), data.description, data.depends, data.provides, data.replaces, data.install_if, data.triggers,
        data.provider_priority, data.replaces_priority, data.scripts,
    )  # fmt: skip


def _walk(folder: Path) -> Iterable[Path]:
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield type(folder)(root) / name


def _with_permission(entry: Entry, permission: Permission) -> Entry:
    mode = int(permission.mode, 8) if permission.mode else entry.mode
    return replace(
        entry, mode=mode, uid=permission.uid, gid=permission.gid, user=permission.user, group=permission.group
    )


def _matches(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether a path is one of the patterns', or below a folder that is."""
    return any(fnmatch.fnmatchcase(path, pattern) or path.startswith(f"{pattern}/") for pattern in patterns)


def _folder_named(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether a folder is one that a pattern names, or is below it: it is taken even where it is empty."""
    return any(path == pattern or path.startswith(f"{pattern}/") for pattern in patterns)


def _without_emptied_folders(remaining: Mapping[str, Entry], installed: Mapping[str, Entry]) -> dict[str, Entry]:
    """Drop the folders whose content has all gone elsewhere; one that was installed empty is meant to be there."""
    emptied = {parent for path in installed if path not in remaining for parent in _parents(path)}
    filled = {parent for path, e in remaining.items() if e.kind is not Kind.DIRECTORY for parent in _parents(path)}
    meant = {parent for path in remaining.keys() - emptied for parent in _parents(path)}
    return {
        path: entry
        for path, entry in remaining.items()
        if entry.kind is not Kind.DIRECTORY or path in filled | meant or path not in emptied
    }


def _parents(path: str) -> list[str]:
    parents = []
    while path := posixpath.dirname(path):
        parents.append(path)
    return parents


def _with_parents(taken: Mapping[str, Entry], installed: Mapping[str, Entry]) -> list[Entry]:
    paths = set(taken) | {parent for path in taken for parent in _parents(path)}
    return [taken.get(path) or installed[path] for path in sorted(paths)]


def _siblings(name: str, taken: Mapping[str, Entry], owners: Mapping[str, str]) -> set[str]:
    """Find the packages of the same recipe that own what this one's links point to (``libz.so`` to ``libz.so.1``)."""
    found = set()
    for path, entry in taken.items():
        if entry.kind is Kind.SYMLINK:
            target = (
                entry.target.lstrip("/")
                if entry.target.startswith("/")
                else posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.target))
            )
            owner = owners.get(target, name)
            if owner != name:
                found.add(owner)
    return found


def _check(recipe: Recipe, packages: Sequence[Part]) -> None:
    paths = {entry.path for package in packages for entry in package.entries}
    provided = {name.partition("=")[0] for package in packages for name in package.info.provides}
    missing = [path for path in recipe.data.check.files if not any(fnmatch.fnmatchcase(p, path) for p in paths)]
    absent = [name for name in recipe.data.check.provides if name not in provided]
    if missing or absent:
        raise BivyError(f"{recipe.name} was built, but lacks {', '.join([*missing, *absent])}")
