"""What source archives say of themselves, read from a few of their bytes and kept."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.files import write_whole
from bivy.musl.archives.standards import normalised
from bivy.musl.dependencies.choose import by_version
from bivy.musl.dependencies.compiles import Facts
from bivy.musl.dependencies.known import Known, known_distributions
from bivy.musl.dependencies.resolve import Metadata
from bivy.musl.dependencies.settings import with_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bivy.musl.dependencies.index import Index
    from bivy.musl.dependencies.lock import File

_PATIENCE: Final = 6.0
_LIMIT: Final = 8 << 20
"""Bytes of a source archive that are fetched at most."""
_LITTLE: Final = 3 << 20
"""The same where bivy's list says what it is."""
_KEPT: Final = 2
"""Goes up when what is kept of a source archive changes."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a source archive says.

    Attributes:
        facts: Of its build.
        requires: What it requires (PEP 508); ``None`` where it does not say without being built.
        extras: The extras that it has.
    """

    facts: Facts
    requires: tuple[str, ...] | None
    extras: tuple[str, ...] = ()


def told_by(name: str, file: File, index: Index) -> Told:
    """Return what a source archive says, from the cache where it was read before.

    Args:
        name: The normalised name of its distribution.
        file: The source archive.
        index: What asks indexes.

    Raises:
        BivyError: It cannot be read.
    """
    key = hashlib.sha256(f"{_KEPT} {file.sha256 or file.url}".encode()).hexdigest()
    place = index.cache / "sdists" / key
    kept = _read_kept(place)
    if kept:
        return kept
    if index.offline and "://" in file.url and not file.url.startswith("file:"):
        raise BivyError(f"{file.name} was not read: nothing may be fetched", hint="ask again without --offline")
    limit = _LITTLE if known_distributions().get(name, Known()).compiles else _LIMIT
    told = read_source(file.url, index, limit)
    if "://" in file.url:
        import msgspec

        with contextlib.suppress(OSError):
            write_whole(place, msgspec.msgpack.encode(told))
    return told


def _read_kept(place: Path) -> Told | None:
    import msgspec

    try:
        return msgspec.msgpack.decode(place.read_bytes(), type=Told)
    except (OSError, msgspec.DecodeError):
        return None


def metadata_reader(index: Index, address: str = "") -> Callable[[str, str], Metadata]:
    """Return what tells uv the requirements of a name and version that has a source archive alone.

    Args:
        index: What asks indexes.
        address: The index that has it; empty for PyPI.
    """

    def read(name: str, version: str) -> Metadata:
        try:
            source = source_of(name, version, index, address)
            told = told_by(name, source, index)
        except BivyError as fault:
            return Metadata(name, version, unread=str(fault))
        if told.requires is None:
            return Metadata(name, version, unread="its source archive does not say what it requires before it is built")
        return Metadata(name, version, told.requires, told.extras)

    return read


def foresee(requirements: Iterable[str], index: Index, address: str = "") -> Iterator[Metadata]:
    """Yield what is known of distributions of which the source archive is too large to be fetched for a question.

    Args:
        requirements: What was asked for (PEP 508).
        index: What asks indexes.
        address: The index that has it; empty for PyPI.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    read = metadata_reader(index, address)
    for text in requirements:
        try:
            requirement = Requirement(text)
            name = normalised(requirement.name)
            if not known_distributions().get(name, Known()).large:
                continue
            versions = by_version(index.files(name, address), name)
        except (InvalidRequirement, BivyError):
            continue
        newest = next((each for each in versions if not each.is_prerelease and each in requirement.specifier), None)
        if newest and not any(file.wheel for file in versions[newest]):
            yield read(name, str(newest))


def source_of(name: str, version: str, index: Index, address: str = "") -> File:
    """Return the source archive of a version.

    Raises:
        BivyError: The index does not say, or has none.
    """
    from packaging.version import InvalidVersion, Version

    try:
        wanted = Version(version)
    except InvalidVersion as fault:
        raise BivyError(f"{version} is not a version") from fault
    for file in by_version(index.files(name, address), name).get(wanted, ()):
        if not file.wheel:
            return file
    raise BivyError(f"the index has no source archive of {name} {version}")


def read_source(url: str, index: Index, limit: int = _LIMIT) -> Told:
    """Read what a source archive at an address or path says of itself.

    Args:
        url: The address or path.
        index: What asks indexes.
        limit: How many bytes are fetched at most.

    Raises:
        BivyError: It cannot be read.
    """
    from bivy.musl.archives.sdist import read_remote_sdist, read_sdist

    if "://" in url:
        told = read_remote_sdist(index.client(), with_credentials(url, index.options), limit=limit, patience=_PATIENCE)
    else:
        told = read_sdist(Path(url))
    # Without pyproject.toml in what was read, the backend is not known: it is one of the last files.
    seen = told.complete or not told.backend.endswith("__legacy__")
    requires = told.requires if told.requires_known or told.requires else None
    return Told(
        Facts(
            told.backend if seen else "",
            told.build_requires if seen else (),
            tuple(sorted(told.languages)),
            told.extension_modules,
            told.optional_extensions,
            told.libraries,
            told.tools,
            dict(told.known_from),
            told.complete,
        ),
        requires,
        tuple(dict.fromkeys(re.findall(r"""extra *== *['"]([^'"]+)['"]""", " ".join(told.requires)))),
    )
