"""A tag moves only after the image behind it has passed its checks: the one place where that is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy import __version__
from bivy.apk.errors import ApkError
from bivy.errors import BivyError
from bivy.verify.record import keep, last
from bivy.verify.report import Status
from bivy.verify.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.verify.check import Check
    from bivy.verify.report import Report


FAULTS = (BivyError, ApkError, OSError)
"""What a person can foresee: it is said of the one image, and the others are still done."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of moving the tags of one image.

    Attributes:
        name: The image: ``python:3.14.7-alpine``.
        tags: The names that were to be moved to it, with tags.
        reports: What came of its checks, for each architecture.
        digest: The digest of what the tags stand for now; empty where they stay where they are.
        fault: Why they stay, where that is not because of a check; else empty.
        hint: What to do about it, or empty.
        kept: Where the image is that did not pass, or empty.
    """

    name: str
    tags: tuple[str, ...]
    reports: tuple[Report, ...] = ()
    digest: str = ""
    fault: str = ""
    hint: str = ""
    kept: str = ""

    @property
    def done(self) -> bool:
        """Whether the tags were moved."""
        return bool(self.digest)

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """The checks that failed, each with the platform."""
        return tuple(
            (report.platform, outcome.name) for report in self.reports for outcome in report.having(Status.FAILED)
        )


def move_tags(
    name: str,
    tags: Iterable[str],
    images: Callable[[], Iterable[Image]],
    move: Callable[[], str],
    *,
    cache: Path,
    progress: Progress,
    checks: Sequence[Check] | None = None,
) -> Moved:
    """Check an image for all its architectures, and move its tags where no check fails.

    Nothing that a person can foresee is raised: it is in what is returned, so that other images are still done.

    Args:
        name: The image: ``python:3.14.7-alpine``.
        tags: The names that are moved.
        images: Gives the images.
        move: Moves the names, and returns the digest of what they stand for then.
        cache: bivy's cache folder, where the reports are kept.
        progress: Who watches.
        checks: What is checked; ``None`` for all of bivy's own checks.
    """
    reports: tuple[Report, ...] = ()
    names = tuple(tags)
    try:
        reports = tuple(_checked(image, name, checks, cache, progress) for image in images())
        if not reports:
            return Moved(name, names, fault="nothing of it is built", hint="bivy build --all builds it")
        digest = move() if all(report.passed for report in reports) else ""
    except FAULTS as fault:
        return not_moved(name, names, fault, reports)
    return Moved(name, names, reports, digest)


def _checked(image: Image, name: str, checks: Sequence[Check] | None, cache: Path, progress: Progress) -> Report:
    """Return the last report of an image where it was of all checks, by this bivy, and none failed; else make it."""
    former = last(image.digest, cache) if checks is None else None
    if former and former.passed and former.bivy == __version__:
        return former
    report = verify(image, checks, where=name, cache=cache, progress=progress)
    keep(report, cache)
    return report


def not_moved(name: str, tags: Iterable[str], fault: Exception, reports: tuple[Report, ...] = ()) -> Moved:
    """Say why an image's tags stay where they are."""
    said = str(fault)
    if isinstance(fault, OSError):
        said = f"{fault.filename}: " * bool(fault.filename) + str(fault.strerror or fault)
    return Moved(name, tuple(tags), reports, fault=said, hint=getattr(fault, "hint", None) or "")
