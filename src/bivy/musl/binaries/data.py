"""What musl and glibc export and what is in the base image: data files that `generate` writes, read once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from bivy.arch import Arch

FOLDER = Path(__file__).parent

# What musl's loader takes for itself, whatever comes after the dot (load_library in musl's ldso/dynlink.c).
_MUSL_ITSELF = tuple(f"lib{name}." for name in ("c", "pthread", "rt", "m", "dl", "util", "xnet"))

_WIDTH = 116


@dataclass(frozen=True, slots=True)
class Section:
    """A list of names under a heading, ``[heading]`` in a data file.

    Attributes:
        heading: What they have in common.
        names: The names, sorted.
    """

    heading: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Musl:
    """The symbols that one version of musl gives to programs.

    Attributes:
        version: The version.
        by_arch: The names, by the architecture's.
        since: The version that a name came with, by architecture; without those that the oldest version read has.
        oldest: The oldest version that was read.
        by_loader: The names that the loader finds though the newest exports them no more; they are in `by_arch` too.
    """

    version: str
    by_arch: Mapping[str, frozenset[str]]
    since: Mapping[str, Mapping[str, str]]
    oldest: str
    by_loader: frozenset[str]

    def symbols(self, arch: Arch, version: str) -> AbstractSet[str]:
        """Return what a version gives on an architecture: the newest, as far as is known, for one that is newer."""
        names = self.by_arch[arch.name]
        newer = {name for name, since in self.since.get(arch.name, {}).items() if number(since) > number(version)}
        return names - newer if newer else names


def number(version: str) -> tuple[int, ...]:
    """Return a version of musl as numbers, to compare."""
    return tuple(int(part) for part in version.split("."))


def is_musl_itself(name: str) -> bool:
    """Tell whether musl's loader takes a library's name for its own: ``libc.so.6``, ``libpthread.so.0``."""
    return name.startswith(_MUSL_ITSELF)


@functools.cache
def musl() -> Musl:
    """Return the symbols of the musl that bivy builds."""
    sections = read_sections(FOLDER / "musl.txt")
    by_arch: dict[str, set[str]] = {}
    since: dict[str, dict[str, str]] = {}
    by_loader: frozenset[str] = frozenset()
    versions: tuple[str, ...] = ()
    for section in sections:
        kind, *words = section.heading.split()
        if kind == "versions":
            versions = section.names
        elif kind == "since":
            for arch in words[1:]:
                since.setdefault(arch, {}).update(dict.fromkeys(section.names, words[0]))
        elif kind == "loader":
            by_loader = frozenset(section.names)
        else:
            for arch in words:
                by_arch.setdefault(arch, set()).update(section.names)
    ordered = sorted(versions, key=number)
    exported = {arch: by_loader | names for arch, names in by_arch.items()}
    return Musl(ordered[-1], exported, since, ordered[0], by_loader)


@functools.cache
def glibc() -> Mapping[str, str]:
    """Return the names that some version of glibc exports, each with the library that has it: ``libc.so.6``."""
    return {name: section.heading for section in read_sections(FOLDER / "glibc.txt") for name in section.names}


@functools.cache
def image_libraries() -> Mapping[str, str]:
    """Return the folder of each library in the base image, by its soname."""
    return {
        name: section.heading
        for section in read_sections(FOLDER / "image.txt")
        if section.heading.startswith("/")
        for name in section.names
    }


@functools.cache
def interpreter_symbols() -> frozenset[str]:
    """Return what Python's own library exports that does not begin with ``Py`` or ``_Py``."""
    return frozenset(
        name
        for section in read_sections(FOLDER / "image.txt")
        if section.heading == "libpython"
        for name in section.names
    )


def read_sections(path: Path) -> tuple[Section, ...]:
    """Read a data file: lines of names under headings, and comments."""
    found: list[tuple[str, list[str]]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            found.append((line.strip("[]"), []))
        elif line and not line.startswith("#"):
            found[-1][1].extend(line.split())
    return tuple(Section(heading, tuple(names)) for heading, names in found)


def format_sections(comment: str, sections: Iterable[Section]) -> str:
    """Write a data file; what it is generated from stands in the comment."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    for section in sections:
        lines += ["", f"[{section.heading}]"]
        line = ""
        for name in section.names:
            if line and len(line) + 1 + len(name) > _WIDTH:
                lines.append(line)
                line = ""
            line = f"{line} {name}".lstrip()
        lines += [line] if line else []
    return "\n".join(lines) + "\n"
