"""`uv.lock` becomes a lock: format ``version = 1``, as uv's documentation on locking describes it."""

from __future__ import annotations

import os
import posixpath
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlencode

from bivy.errors import BivyError
from bivy.musl.archives.standards import normalised
from bivy.musl.dependencies.lock import Edge, File, Lock, Locked, Origin, Repository, Stated, check_markers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERSION: Final = 1
_SHAPE_HINT: Final = "write it again with `uv lock`"
_IN_FOLDERS: Final = dict.fromkeys(("directory", "editable", "virtual"), Origin.FOLDER)
_OF_UV: Final = frozenset({"rev", "tag", "branch", "subdirectory", "lfs"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a project is installed besides its own requirements.

    Attributes:
        extras: Its extras.
        groups: Its dependency groups.
        every: Whether that is all of both.
        project: The normalised name of the one that is meant, where a lock is for several; empty for all of them.
    """

    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    every: bool = False
    project: str = ""


PLAIN: Final = Wanted()
"""Nothing besides a project's own requirements."""
HERE: Final = Path()


def read_uv_lock(path: Path, wanted: Wanted = PLAIN) -> Lock:
    """Read a `uv.lock`.

    Raises:
        BivyError: The file cannot be read, is no lock of uv's, or is of a version that bivy does not know.
    """
    return parse_uv_lock(_read(path), str(path), wanted, path.absolute().parent)


def parse_uv_lock(text: str, name: str, wanted: Wanted = PLAIN, folder: Path = HERE, at: Path | None = None) -> Lock:
    """Return what the text of a `uv.lock` says.

    Args:
        text: The text.
        name: What messages call the file.
        wanted: What of the person's own projects in it is installed besides their requirements.
        folder: What paths of files in it are relative to.
        at: What paths of folders in it are relative to, where that is another folder.

    Raises:
        BivyError: It is no lock of uv's, or one of a version that bivy does not know.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise BivyError(f"{name} is not in the form of a lock: {fault}", hint=_SHAPE_HINT) from fault
    version = table.get("version")
    if version != _VERSION:
        raise BivyError(
            f"{name} is in version {version} of uv's lock format, and bivy reads version {_VERSION}"
            if isinstance(version, int)
            else f"{name} does not say which version of uv's lock format it is in",
            hint="update bivy, or ask about the project's pyproject.toml instead",
        )
    try:
        members = _own(table, wanted)
        packages = tuple(_package(each, members, folder, at or folder) for each in table.get("package", ()))
        requires_python = _text(table.get("requires-python", ""))
        roots, extras = _roots(table, packages, wanted)
    except (TypeError, KeyError, AttributeError, ValueError) as fault:
        raise BivyError(f"{name} is not laid out as a lock of uv's: {_shape_fault(fault)}", hint=_SHAPE_HINT) from fault
    if bad := check_markers(packages, roots):
        raise BivyError(f"{name} has a marker that is none: {bad}", hint=_SHAPE_HINT)
    return Lock(packages, roots, extras=extras, requires_python=requires_python)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as fault:
        raise BivyError(f"{path} cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise BivyError(f"{path} is not text in UTF-8", hint=_SHAPE_HINT) from fault


def _shape_fault(fault: Exception) -> str:
    return f"a package has no {fault}" if isinstance(fault, KeyError) else "a value is of another kind than expected"


def _own(table: Mapping[str, Any], wanted: Wanted) -> frozenset[str]:
    """Return the names of the person's own projects: all that a lock is for, or the one that is wanted."""
    own = {normalised(each) for each in table.get("manifest", {}).get("members", ())}
    packages = {normalised(each["name"]): each["source"] for each in table.get("package", ())}
    if wanted.project in packages and not _IN_FOLDERS.keys().isdisjoint(packages[wanted.project]):
        return frozenset({wanted.project})
    return frozenset(own | {name for name, source in packages.items() if "." in map(source.get, _IN_FOLDERS)})


def _package(table: Mapping[str, Any], members: frozenset[str], folder: Path, above: Path) -> Locked:
    name = normalised(table["name"])
    source = table["source"]
    origin, place = _origin(source, own=name in members)
    at = Path(os.path.normpath(above / place)) if origin in (Origin.FOLDER, Origin.OWN) else None
    return Locked(
        name,
        _text(table.get("version", "")),
        origin,
        place,
        _files(table, place, folder),
        _edges(table.get("dependencies", ())),
        _tables(table.get("optional-dependencies", {})),
        _tables(table.get("dev-dependencies", {})),
        tuple(_text(each) for each in table.get("resolution-markers", ())),
        at,
        "virtual" in source,
        _repository(place) if origin is Origin.GIT else None,
        _text(source.get("subdirectory", "")),
        _stated(table),
    )


def _repository(place: str) -> Repository:
    """Return what uv writes of a commit: ``ADDRESS?rev=NAME&subdirectory=FOLDER#COMMIT``, or ``branch``, or ``tag``."""
    bare, _, commit = place.partition("#")
    address, _, query = bare.partition("?")
    told = dict(parse_qsl(query))
    revision = next((told[key] for key in ("rev", "tag", "branch") if key in told), "")
    rest = urlencode({key: value for key, value in told.items() if key not in _OF_UV})
    return Repository(f"{address}?{rest}" if rest else address, commit, revision, told.get("subdirectory", ""))


def _stated(package: Mapping[str, Any]) -> tuple[Stated, ...] | None:
    """Return what a project required when it was locked; uv leaves the table out where that is nothing."""
    table = package.get("metadata")
    if table is None:
        told = ("dependencies", "optional-dependencies", "dev-dependencies")
        return None if any(package.get(each) for each in told) else ()
    found = [_requirement(each, _extra_of(_text(each.get("marker", "")))) for each in table.get("requires-dist", ())]
    for group, entries in table.get("requires-dev", {}).items():
        found += [_requirement(each, f"group {normalised(group)}") for each in entries]
    return tuple(found)


def _requirement(entry: Mapping[str, Any], of: str) -> Stated:
    elsewhere = not {"git", "url", "path", *_IN_FOLDERS}.isdisjoint(entry)
    extras = tuple(sorted(normalised(each) for each in entry.get("extras", ())))
    return Stated(normalised(entry["name"]), extras, _text(entry.get("specifier", "")), of, elsewhere)


def _extra_of(marker: str) -> str:
    found = re.search(r"extra == '([^']+)'", marker)
    return f"extra {normalised(found[1])}" if found else ""


def _origin(source: Mapping[str, Any], *, own: bool) -> tuple[Origin, str]:
    for key, origin in (
        ("registry", Origin.INDEX),
        ("git", Origin.GIT),
        ("url", Origin.URL),
        ("path", Origin.PATH),
        *_IN_FOLDERS.items(),
    ):
        if key in source:
            return (Origin.OWN if own and origin is Origin.FOLDER else origin), _text(source[key])
    return Origin.PATH, ", ".join(f"{key} {value}" for key, value in source.items())


def _files(table: Mapping[str, Any], place: str, folder: Path) -> tuple[File, ...]:
    entries = [*table.get("wheels", ())]
    if "sdist" in table:
        entries.append(table["sdist"])
    return tuple(_file(each, place, folder) for each in entries)


def _file(entry: Mapping[str, Any], place: str, folder: Path) -> File:
    url = _text(entry.get("url") or (posixpath.join(place, str(entry["path"])) if "path" in entry else place))
    if "://" not in url:
        url = str(folder / url)
    size, digest = entry.get("size"), _text(entry.get("hash", ""))
    return File(
        _text(entry.get("filename") or name_of(url)),
        url,
        size if isinstance(size, int) else None,
        digest.removeprefix("sha256:") if digest.startswith("sha256:") else "",
    )


def name_of(url: str) -> str:
    """Return the name of the file at an address or path."""
    # Not urlsplit, which refuses addresses that no lock should have, and some do.
    path = url.partition("#")[0].partition("?")[0] if "://" in url else url
    return unquote(path.rsplit("/", 1)[-1])


def _edges(entries: Sequence[Mapping[str, Any]]) -> tuple[Edge, ...]:
    return tuple(
        Edge(
            normalised(each["name"]),
            tuple(normalised(extra) for extra in each.get("extra") or each.get("extras") or ()),
            _text(each.get("marker", "")),
            _text(each.get("version", "")),
        )
        for each in entries
    )


def _tables(table: Mapping[str, Any]) -> Mapping[str, tuple[Edge, ...]]:
    return MappingProxyType({normalised(name): _edges(entries) for name, entries in table.items()})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _roots(
    table: Mapping[str, Any], packages: Sequence[Locked], wanted: Wanted
) -> tuple[tuple[Edge, ...], frozenset[str]]:
    """Return what the lock is for, with the extras and groups that are wanted, and these as uv's markers name them."""
    manifest = table.get("manifest", {})
    roots = list(_edges(manifest.get("requirements", ())))
    named: list[str] = []
    for name, entries in manifest.get("dependency-groups", {}).items():
        if wanted.every or normalised(name) in wanted.groups:
            roots += _edges(entries)
    for package in packages:
        if package.origin is not Origin.OWN:
            continue
        extras = tuple(each for each in package.extras if wanted.every or each in wanted.extras)
        groups = tuple(each for each in package.groups if wanted.every or each in wanted.groups)
        roots.append(Edge(package.name, extras, version=package.version))
        for group in groups:
            roots += package.groups[group]
        named += [f"extra-{len(package.name)}-{package.name}-{each}" for each in extras]
        named += [f"group-{len(package.name)}-{package.name}-{each}" for each in groups]
    if not roots:
        roots = [Edge(each.name, version=each.version) for each in _unrequired(packages)]
    return tuple(roots), frozenset(named)


def _unrequired(packages: Sequence[Locked]) -> list[Locked]:
    """Return what no other package of the lock requires: where a lock does not say what it is for, for these."""
    required = {edge.name for package in packages for edge in package.requires}
    return [package for package in packages if package.name not in required] or list(packages)
