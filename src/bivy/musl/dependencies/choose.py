"""Which of a distribution's files an installer takes on a target, and which versions have one."""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.musl.archives.standards import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.tags import Tag
    from packaging.version import Version

    from bivy.musl.dependencies.lock import File
    from bivy.musl.target import Target


class Fit(enum.Enum):
    """How a file fits a target."""

    PURE = enum.auto()
    """A wheel for every platform."""
    MUSL = enum.auto()
    """A wheel for musl."""
    LINUX = enum.auto()
    """A wheel that says Linux and not which C library: nothing on an index, but what one builds for oneself."""
    SOURCE = enum.auto()
    """A source archive."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an installer takes.

    Attributes:
        file: The file.
        fit: How it fits.
        tag: The best of a wheel's tags, ``None`` for a source archive.
    """

    file: File
    fit: Fit
    tag: Tag | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What a wheel's file name says (binary distribution format, PyPA specifications).

    Attributes:
        name: The distribution, as written.
        version: The version, as written.
        build: The build number, 0 where there is none.
        triple: The tags, compressed: ``cp39-abi3-musllinux_1_2_x86_64``.
    """

    name: str
    version: str
    build: int
    triple: str

    @property
    def tags(self) -> frozenset[Tag]:
        """The tags."""
        return _tags(self.triple)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms."""
        return tuple(self.triple.rsplit("-", 1)[-1].split("."))


@functools.lru_cache(1 << 16)
def wheel_parts(name: str) -> Parts | None:
    """Return what a wheel's file name says, or ``None`` where it is no wheel's."""
    parts = name.removesuffix(".whl").split("-")
    if not name.endswith(".whl") or len(parts) not in (5, 6) or not all(parts):
        return None
    build = re.match(r"\d+", parts[2]) if len(parts) == 6 else None
    if len(parts) == 6 and not build:
        return None
    return Parts(parts[0], parts[1], int(build[0][:20]) if build else 0, "-".join(parts[-3:]))


def choose(files: Iterable[File], target: Target) -> Chosen | None:
    """Return the file of one version that an installer takes: the wheel with the best tag, or else the source archive.

    A file that was withdrawn, or is not for this Python, is not taken. Nothing fits: ``None``.
    """
    ranks = _ranks(target)
    best: tuple[int, int] | None = None
    chosen: Chosen | None = None
    source: File | None = None
    for file in files:
        if file.yanked or not for_python(file, target):
            continue
        parts = wheel_parts(file.name)
        if parts is None:
            if _is_source(file.name) and (source is None or file.name.endswith(".tar.gz")):
                source = file
            continue
        for tag in parts.tags:
            rank = ranks.get(tag)
            if rank is not None and (best is None or (rank, -parts.build) < best):
                best, chosen = (rank, -parts.build), Chosen(file, _fit(tag), tag)
    return chosen or (Chosen(source, Fit.SOURCE) if source else None)


def for_python(file: File, target: Target) -> bool:
    """Whether what a file says of Python allows a target's; a specifier that is none says nothing, as for pip."""
    return not file.requires_python or _allows(file.requires_python, target.python)


@functools.cache
def _allows(specifier: str, python: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier).contains(f"{python}.99", prereleases=True)
    except InvalidSpecifier:
        return True


def _is_source(name: str) -> bool:
    return name.endswith(ENDINGS)


def _fit(tag: Tag) -> Fit:
    if tag.platform == "any":
        return Fit.PURE
    return Fit.MUSL if tag.platform.startswith("musllinux") else Fit.LINUX


@functools.cache
def _tags(triple: str) -> frozenset[Tag]:
    from packaging.tags import parse_tag

    try:
        return parse_tag(triple)
    except ValueError:  # newer versions of packaging refuse tags that are none
        return frozenset()


@functools.cache
def _ranks(target: Target) -> Mapping[Tag, int]:
    return {tag: rank for rank, tag in reversed(list(enumerate(target.tags)))}


def by_version(files: Iterable[File], name: str) -> dict[Version, list[File]]:
    """Return the files of each version, newest first; files of which the name says no version are left out."""
    from packaging.version import InvalidVersion, Version

    texts: dict[str, list[File]] = {}
    for file in files:
        text = version_text(file.name, name)
        if text:
            texts.setdefault(text, []).append(file)
    versions: dict[Version, list[File]] = {}
    for text, each in texts.items():
        try:
            versions.setdefault(Version(text), []).extend(each)
        except InvalidVersion:
            continue
    return dict(sorted(versions.items(), reverse=True))


def version_text(file: str, name: str) -> str:
    """Return the version in a file's name, as written, or an empty string."""
    parts = wheel_parts(file)
    if parts:
        return parts.version
    for end in ENDINGS:
        if file.endswith(end):
            stem = file[: -len(end)]
            pattern = "[-_.]+".join(re.escape(part) for part in re.split(r"[-_.]+", name))
            found = re.match(rf"(?i:{pattern})-(.+)", stem)
            return found[1] if found else ""
    return ""


def newest_that_fits(
    versions: Mapping[Version, Sequence[File]], target: Target, *, prereleases: bool = False
) -> tuple[Version, Chosen] | None:
    """Return the newest version of which an installer can take a file on a target.

    Args:
        versions: The files of each version, newest first.
        target: What for.
        prereleases: Whether versions before a release count.
    """
    for version, files in versions.items():
        if version.is_prerelease and not prereleases:
            continue
        chosen = choose(files, target)
        if chosen:
            return version, chosen
    return None
