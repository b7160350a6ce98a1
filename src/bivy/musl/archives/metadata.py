"""Core metadata: what METADATA in a wheel and PKG-INFO in a source archive say of a distribution.

The format is that of the core metadata specification (https://packaging.python.org/specifications/core-metadata/),
which `packaging` reads; only the fields that a check needs are handed to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bivy.musl.archives.faults import Faults

LIMIT = 4 << 20
_MOST_REQUIREMENTS = 10_000
_LONGEST_REQUIREMENT = 10_000
_FIELDS = (
    b"metadata-version",
    b"name",
    b"version",
    b"requires-dist",
    b"requires-python",
    b"provides-extra",
    b"dynamic",
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a distribution says of itself.

    Attributes:
        format: The version of the format, ``2.1``; empty where there is none.
        name: Its name, as it writes it; empty where there is none.
        version: Its version, as it writes it; empty where there is none.
        requires: Its requirements (PEP 508), those that are sound, as it writes them.
        requires_python: The versions of Python that it asks for, ``>=3.9``; empty for all.
        extras: Its extras.
        dynamic: The fields that a build may change, in lower case (PEP 643).
    """

    format: str = ""
    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()
    requires_python: str = ""
    extras: tuple[str, ...] = ()
    dynamic: frozenset[str] = frozenset()


def parse_metadata(raw: bytes, file: str, faults: Faults) -> Metadata:
    """Read core metadata; what is wrong in it is noted, and left out.

    Args:
        raw: The whole file.
        file: What the file is called, for messages.
        faults: Takes what is wrong.
    """
    from packaging.metadata import parse_email

    known, unknown = parse_email(_relevant(raw))
    for field in unknown:
        faults.add(f"{file} has a field that is there twice or is not UTF-8", field)
    name, version = known.get("name", "").strip(), known.get("version", "").strip()
    if not name or not version:
        faults.add(f"{file} does not say " + ("which version it is" if name else "what it is called"))
    return Metadata(
        format=known.get("metadata_version", "").strip(),
        name=name,
        version=version,
        requires=tuple(sound_requirements(known.get("requires_dist", []), file, faults)),
        requires_python=_specifier(known.get("requires_python", ""), file, faults),
        extras=tuple(known.get("provides_extra", [])),
        dynamic=frozenset(field.strip().lower() for field in known.get("dynamic", [])),
    )


def sound_requirements(requirements: list[str], file: str, faults: Faults) -> Iterator[str]:
    """Yield those requirements that are ones (PEP 508); note the others."""
    from packaging.requirements import InvalidRequirement, Requirement

    if len(requirements) > _MOST_REQUIREMENTS:
        faults.add(f"{file} has {len(requirements)} requirements; the first {_MOST_REQUIREMENTS} were read")
    for folded in requirements[:_MOST_REQUIREMENTS]:
        requirement = re.sub(r"[\r\n]+", " ", folded)
        try:
            Requirement(requirement[: _LONGEST_REQUIREMENT + 1])
            sound = len(requirement) <= _LONGEST_REQUIREMENT
        except (InvalidRequirement, RecursionError):
            sound = False
        if sound:
            yield requirement.strip()
        else:
            faults.add(f"requirements in {file} that cannot be read", requirement)


def _specifier(text: str, file: str, faults: Faults) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        faults.add(f"versions of Python in {file} that cannot be read", text)
        return ""
    return text.strip()


def _relevant(raw: bytes) -> bytes:
    """Return the fields that are read, without the description: time grows with the number of different fields."""
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    kept: list[bytes] = []
    keep = False
    for line in head.splitlines():
        if not line.startswith((b" ", b"\t")):
            keep = line.partition(b":")[0].strip().lower() in _FIELDS
        if keep:
            kept.append(line)
    return b"\n".join(kept) + b"\n"
