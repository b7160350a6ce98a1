"""Which image may claim which tag, by the rules of the official images: functions of versions and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version

_RELEASE = re.compile(r"(?:[0-9]{1,3}\.[0-9]{1,3}|edge)?")
# A tag has at most 128 characters (distribution-spec 1.1); no version of Python's comes near.
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Edition:
    """One image, for all its architectures.

    Attributes:
        version: Python's: ``3.14.7``, ``3.15.0rc1``.
        release: Alpine's, where the image consists of its packages: ``3.24``, ``edge``; empty where it is from
            sources.
    """

    version: str
    release: str = ""

    @property
    def exact(self) -> str:
        """The tag that is this edition's whatever else there is: ``3.14.7-alpine3.24``."""
        return f"{self.version}-{ending(self.release)}"


def ending(release: str) -> str:
    """Return what the tags of a kind of image end with: ``alpine3.24``; ``alpine`` for those from sources."""
    return f"alpine{release}"


def tag_names(version: str, release: str = "", *, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the tags of an image, from the most exact to the loosest.

    They are those of docker-library/official-images, library/python, but that ``alpine`` alone always means the image
    from sources, and that nothing is claimed which does not say ``alpine``: no ``3.14``, no ``latest``.

    Args:
        version: Python's: ``3.14.7``.
        release: Alpine's, where the image consists of its packages; empty where it is from sources.
        known: The versions of Python that there are, its own may be among them; none where it is the newest.

    Raises:
        UsageError: A version or the release is none.
    """
    check_release(release)
    own = parse_version(version)
    others = {own, *map(parse_version, known)}
    heads = [f"{version}-"]
    if own.is_prerelease:
        series = [each for each in others if _series(each) == _series(own)]
        if own == max(series) and all(each.is_prerelease for each in series):
            heads.append(f"{_spelled_series(own)}-rc-")
        return _with(heads, release)
    stable = [each for each in others if not each.is_prerelease]
    if own == max(each for each in stable if _series(each) == _series(own)):
        heads.append(f"{_spelled_series(own)}-")
    if own == max(each for each in stable if each.major == own.major):
        heads.append(f"{own.major}-")
    if own == max(stable):
        heads.append("")
    return _with(heads, release)


def assign(editions: Iterable[Edition], known: Iterable[str] = ()) -> dict[Edition, tuple[str, ...]]:
    """Give every edition its tags, the newest first, those from sources before those of Alpine's packages.

    Args:
        editions: What images there are, or are to be.
        known: Versions of Python that there are beside those.

    Raises:
        UsageError: A version or a release is none.
    """
    those = set(editions)
    versions = {*known, *(edition.version for edition in those)}
    by_release = sorted(those, key=lambda edition: (edition.release != "", _newest_release_first(edition.release)))
    ordered = sorted(by_release, key=lambda edition: parse_version(edition.version), reverse=True)
    return {edition: tag_names(edition.version, edition.release, known=versions) for edition in ordered}


def parse_version(text: str) -> Version:
    """Parse a version of Python's, as python.org has them: ``3.14.7``, ``3.15.0a2``.

    Raises:
        UsageError: It is none.
    """
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(text) if len(text) <= _LONGEST else None
    except (InvalidVersion, ValueError):  # ValueError: more digits than Python turns into a number
        version = None
    if version is None or str(version) != text or len(version.release) != 3 or _is_odd(version):
        raise UsageError(
            f"{text[:_LONGEST]!r} is not a version of Python's", hint="they are spelled 3.14.7, or 3.15.0rc1"
        )
    return version


def check_release(text: str) -> None:
    """Refuse what is not a release of Alpine's.

    Raises:
        UsageError: It is none.
    """
    if not _RELEASE.fullmatch(text):
        raise UsageError(f"{text[:_LONGEST]!r} is not a release of Alpine's", hint="they are spelled 3.24, or edge")


def _is_odd(version: Version) -> bool:
    return bool(version.epoch or version.local) or version.dev is not None or version.post is not None


def _series(version: Version) -> tuple[int, ...]:
    return version.release[:2]


def _spelled_series(version: Version) -> str:
    return f"{version.major}.{version.minor}"


def _newest_release_first(release: str) -> tuple[int, ...]:
    if not release or release == "edge":
        return ()
    return tuple(-int(part) for part in release.split("."))


def _with(heads: Iterable[str], release: str) -> tuple[str, ...]:
    return tuple(f"{head}{ending(release)}" for head in heads)
