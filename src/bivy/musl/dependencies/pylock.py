"""`pylock.toml` becomes a lock (PEP 751, lock-version 1)."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.musl.dependencies.lock import Edge, File, Lock, Locked, Origin, Repository
from bivy.musl.dependencies.uvlock import HERE, PLAIN, Wanted, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.pylock import Package, PackageSdist, PackageWheel

_MAJOR: Final = "1"
_SHAPE_HINT: Final = "write it again with what made it, such as `uv export --format pylock.toml`"


def read_pylock(path: Path, wanted: Wanted = PLAIN) -> Lock:
    """Read a `pylock.toml`.

    Raises:
        BivyError: The file cannot be read, is no such lock, or is of a version that bivy does not know.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as fault:
        raise BivyError(f"{path} cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise BivyError(f"{path} is not text in UTF-8", hint=_SHAPE_HINT) from fault
    return parse_pylock(text, str(path), wanted, path.absolute().parent)


def parse_pylock(text: str, name: str, wanted: Wanted = PLAIN, folder: Path = HERE) -> Lock:
    """Return what the text of a `pylock.toml` says.

    Args:
        text: The text.
        name: What messages call the file.
        wanted: Which of its extras and groups are installed, besides its default groups.
        folder: What paths in it are relative to.

    Raises:
        BivyError: It is no such lock, or one of a version that bivy does not know.
    """
    from packaging.pylock import Pylock, PylockValidationError

    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise BivyError(f"{name} is not in the form of a lock: {fault}", hint=_SHAPE_HINT) from fault
    version = table.get("lock-version")
    if not isinstance(version, str) or version.split(".")[0] != _MAJOR:
        raise BivyError(
            f"{name} is in version {version} of the lock format, and bivy reads version {_MAJOR}"
            if version
            else f"{name} does not say which version of the lock format it is in",
            hint="update bivy, or ask about what the lock was made from",
        )
    try:
        # A later 1.x only adds to what is there (PEP 751).
        lock = Pylock.from_dict({**table, "lock-version": "1.0"})
    except (PylockValidationError, ValueError, TypeError, AttributeError) as fault:
        raise BivyError(f"{name} is not laid out as a lock: {fault}", hint=_SHAPE_HINT) from fault
    packages = tuple(_package(each, folder) for each in lock.packages)
    extras = frozenset(lock.extras or ()) if wanted.every else wanted.extras
    groups = frozenset(lock.dependency_groups or ()) if wanted.every else wanted.groups
    required = {edge.name for package in packages for edge in package.requires}
    return Lock(
        packages,
        tuple(Edge(each.name, version=each.version) for each in packages),
        extras=extras,
        groups=groups | frozenset(lock.default_groups or ()),
        # The format does not say what was asked for: what nothing else requires, as far as it says who requires whom.
        asked=frozenset(each.name for each in packages) - required,
    )


def _package(package: Package, folder: Path) -> Locked:
    origin, place = _origin(package)
    files = [_file(each, folder) for each in package.wheels or ()]
    if package.sdist:
        files.append(_file(package.sdist, folder))
    if package.archive:
        place = package.archive.url or str(folder / (package.archive.path or ""))
        files.append(File(name_of(place), place, package.archive.size, package.archive.hashes.get("sha256", "")))
    return Locked(
        package.name,
        str(package.version or ""),
        origin,
        place,
        tuple(files),
        tuple(_edges(package.dependencies or ())),
        markers=(str(package.marker),) if package.marker else (),
        folder=_folder(package, folder),
        repository=_repository(package, folder),
        subdirectory=(package.archive.subdirectory or "") if package.archive else "",
    )


def _folder(package: Package, folder: Path) -> Path | None:
    told = package.directory
    return Path(os.path.normpath(folder / told.path / (told.subdirectory or ""))) if told else None


def _repository(package: Package, folder: Path) -> Repository | None:
    told = package.vcs
    if not told:
        return None
    if told.type != "git":
        raise BivyError(f"{package.name} comes from a repository of {told.type}, and bivy takes git's alone")
    address = told.url or (folder / (told.path or "")).absolute().as_uri()
    return Repository(address, told.commit_id, told.requested_revision or "", told.subdirectory or "")


def _origin(package: Package) -> tuple[Origin, str]:
    if package.vcs:
        return Origin.GIT, package.vcs.url or package.vcs.path or ""
    if package.directory:
        return (Origin.OWN if package.directory.path == "." else Origin.FOLDER), package.directory.path
    if package.archive:
        return (Origin.URL if package.archive.url else Origin.PATH), package.archive.url or package.archive.path or ""
    return Origin.INDEX, package.index or ""


def _file(file: PackageWheel | PackageSdist, folder: Path) -> File:
    where = file.url or str(folder / (file.path or ""))
    return File(file.name or name_of(where), where, file.size, file.hashes.get("sha256", ""))


def _edges(dependencies: Sequence[Mapping[str, object]]) -> list[Edge]:
    from packaging.utils import canonicalize_name

    return [
        Edge(canonicalize_name(str(each["name"])), version=str(each.get("version", "")))
        for each in dependencies
        if "name" in each
    ]
