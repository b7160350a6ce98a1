"""What a lock says: which distributions in which versions, their files, and who requires whom under which marker."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.markers import Marker

    from bivy.musl.target import Target


class Origin(enum.StrEnum):
    """Where a distribution comes from."""

    INDEX = "index"
    """An index, or a folder that stands in for one."""
    URL = "url"
    """The address of one file."""
    GIT = "git"
    """A commit."""
    PATH = "path"
    """A file on this machine."""
    FOLDER = "folder"
    """A folder on this machine."""
    OWN = "own"
    """The person's own project, which is not installed from a file of its own."""


@dataclass(frozen=True, slots=True)
class File:
    """A wheel or a source archive.

    Attributes:
        name: Its file name.
        url: Where it is: an address, or a path.
        size: Its size in bytes, or ``None`` where that is not said.
        sha256: Its digest in hexadecimal, or empty.
        requires_python: What Python it is for (PEP 440 specifiers), empty for all or where that is not said.
        yanked: Whether it was withdrawn (PEP 592).
    """

    name: str
    url: str = ""
    size: int | None = None
    sha256: str = ""
    requires_python: str = ""
    yanked: bool = False

    @property
    def wheel(self) -> bool:
        """Whether it is a wheel, not a source archive."""
        return self.name.endswith(".whl")


@dataclass(frozen=True, slots=True)
class Edge:
    """One distribution required by another, or by the person.

    Attributes:
        name: Its normalised name.
        extras: The extras asked for.
        marker: When (PEP 508), empty for always.
        version: Which, where the lock has more than one.
    """

    name: str
    extras: tuple[str, ...] = ()
    marker: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Repository:
    """A commit in a repository of git's.

    Attributes:
        address: Where the repository is, as git takes it.
        commit: The commit, in hexadecimal.
        revision: What it was named by: a branch, a tag, a commit; empty for the repository's default.
        subdirectory: The folder in it that the project is in; empty for the top.
    """

    address: str
    commit: str
    revision: str = ""
    subdirectory: str = ""


@dataclass(frozen=True, slots=True)
class Locked:
    """One distribution in one version.

    Attributes:
        name: Its normalised name.
        version: Its version, empty where the lock does not say.
        origin: What kind of place it comes from.
        place: Which: the index, the address, the commit, the path.
        files: Its wheels and its source archive.
        requires: What it requires.
        extras: What its extras require besides.
        groups: What its dependency groups require (PEP 735).
        markers: When it is part of the lock: one of these has to be true; empty for always.
        folder: The folder that it is in, absolute; ``None`` where it is in none.
        virtual: Whether nothing but what it requires is installed.
        repository: The commit that it comes from; ``None`` where it comes from none.
        subdirectory: The folder in its archive that the project is in; empty for the top.
        requires_dist: What it required when it was locked, as the lock tells; ``None`` where it does not.
    """

    name: str
    version: str
    origin: Origin = Origin.INDEX
    place: str = ""
    files: tuple[File, ...] = ()
    requires: tuple[Edge, ...] = ()
    extras: Mapping[str, tuple[Edge, ...]] = field(default_factory=lambda: MappingProxyType({}))
    groups: Mapping[str, tuple[Edge, ...]] = field(default_factory=lambda: MappingProxyType({}))
    markers: tuple[str, ...] = ()
    folder: Path | None = None
    virtual: bool = False
    repository: Repository | None = None
    subdirectory: str = ""
    requires_dist: tuple[Stated, ...] | None = None


@dataclass(frozen=True, slots=True)
class Stated:
    """A requirement as a project stated it when it was locked.

    Attributes:
        name: Its normalised name.
        extras: The extras asked for, normalised.
        specifier: Which versions (PEP 440); empty for all, and where it comes from no index.
        of: What of the project has it: ``extra fast``, ``group dev``; empty for the project itself.
        elsewhere: Whether it comes from no index.
    """

    name: str
    extras: tuple[str, ...] = ()
    specifier: str = ""
    of: str = ""
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the resolver, so that it can be asked again with less allowed.

    Attributes:
        requirements: What has to be installed (PEP 508).
        constraints: Which versions are allowed, of whatever is installed (PEP 508).
        overrides: What is installed whatever others require (PEP 508).
        pythons: The minor versions of Python.
        options: Options for uv that concern indexes: ``--default-index``, ``--find-links``.
        settings: The ``[tool.uv]`` table of the person's project, as far as it concerns the resolution.
        folder: What relative paths are relative to.
        offline: Whether nothing may be fetched.
        looking: Whether folders and repositories are looked into.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ("3.14",)
    options: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    folder: Path = field(default_factory=Path)
    offline: bool = False
    looking: bool = False


@dataclass(frozen=True, slots=True)
class Lock:
    """A resolution, made by bivy or brought by the person.

    Attributes:
        packages: The distributions.
        roots: What was asked for.
        question: What it answers, or ``None`` where it was given: a given lock is obeyed to the letter.
        extras: The extras asked for, as markers in the lock name them: by name (PEP 751), or as uv writes them.
        groups: The dependency groups asked for, by name (PEP 751).
        asked: The normalised names of what was asked for by name; ``None`` for what `roots` names.
        requires_python: Which versions of Python it is for (PEP 440); empty for all.
    """

    packages: tuple[Locked, ...]
    roots: tuple[Edge, ...]
    question: Question | None = None
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    asked: frozenset[str] | None = None
    requires_python: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """A distribution that is installed on a target.

    Attributes:
        package: The distribution.
        requires: The normalised names of what it requires there.
        asked: Whether it was asked for by name.
    """

    package: Locked
    requires: tuple[str, ...]
    asked: bool


def reach(lock: Lock, target: Target) -> tuple[Reached, ...]:
    """Return what of a lock is installed on a target, in the lock's order.

    A distribution with extras is reached once, with what all the extras asked for require.
    """
    reading = _Reading(lock, target)
    wanted: dict[int, set[str]] = {}
    requires: dict[int, dict[str, None]] = {}
    pending: list[Edge] = [edge for edge in lock.roots if reading.holds(edge.marker)]
    asked = {
        position for edge in pending if lock.asked is None or edge.name in lock.asked for position in reading.find(edge)
    }
    while pending:
        edge = pending.pop()
        for position in reading.find(edge):
            new = {"", *edge.extras} - wanted.setdefault(position, set())
            wanted[position] |= new
            package = lock.packages[position]
            for extra in new:
                following = package.extras.get(extra, ()) if extra else package.requires
                for each in following:
                    if reading.holds(each.marker):
                        requires.setdefault(position, {})[each.name] = None
                        pending.append(each)
    asked |= {
        following
        for position in list(asked)
        if lock.packages[position].origin is Origin.OWN
        for name in requires.get(position, ())
        for following in reading.positions.get(name, ())
    }
    return tuple(
        Reached(lock.packages[position], tuple(sorted(requires.get(position, ()))), position in asked)
        for position in sorted(wanted)
    )


class _Reading:
    """A lock as one target sees it."""

    def __init__(self, lock: Lock, target: Target) -> None:
        self._lock = lock
        sets: dict[str, frozenset[str]] = {"extras": lock.extras, "dependency_groups": lock.groups}
        self._values: list[dict[str, str | AbstractSet[str]]] = [
            {**target.markers, **sets, "extra": extra} for extra in ("", *sorted(lock.extras))
        ]
        self._known: dict[str, bool] = {}
        self.positions: dict[str, list[int]] = {}
        for position, package in enumerate(lock.packages):
            self.positions.setdefault(package.name, []).append(position)

    def find(self, edge: Edge) -> Iterator[int]:
        for position in self.positions.get(edge.name, ()):
            package = self._lock.packages[position]
            if edge.version and package.version and edge.version != package.version:
                continue
            if not package.markers or any(self.holds(marker) for marker in package.markers):
                yield position

    def holds(self, marker: str) -> bool:
        if not marker:
            return True
        if marker not in self._known:
            # Where extras exclude each other, uv writes which one an edge belongs to as another value of `extra`.
            values = self._values if "extra ==" in marker else self._values[:1]
            self._known[marker] = any(_evaluate(marker, each) for each in values)
        return self._known[marker]


def _evaluate(marker: str, values: Mapping[str, str | AbstractSet[str]]) -> bool:
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    try:
        return _parsed(marker).evaluate(values, context="lock_file")
    except (UndefinedComparison, UndefinedEnvironmentName):  # what cannot be compared rules nothing out
        return True


@functools.cache
def _parsed(marker: str) -> Marker:
    from packaging.markers import Marker

    return Marker(marker)


def check_markers(packages: Sequence[Locked], roots: Sequence[Edge]) -> str | None:
    """Return the first marker that is none (PEP 508), or ``None``."""
    from packaging.markers import InvalidMarker

    edges = [*roots]
    markers: dict[str, None] = {}
    for package in packages:
        markers.update(dict.fromkeys(package.markers))
        edges += package.requires
        for table in (package.extras, package.groups):
            for each in table.values():
                edges += each
    markers.update((edge.marker, None) for edge in edges if edge.marker)
    for marker in markers:
        try:
            _parsed(marker)
        except (InvalidMarker, RecursionError):
            return marker
    return None
