"""The last report of each image is kept in the cache, by the digest of its manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from bivy.files import read_noted, write_whole
from bivy.oci.blob import is_digest
from bivy.verify.report import Report

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = "verify"
# Raised when reports are written in another way: older ones then count as none.
_GENERATION = 1


def keep(report: Report, cache: Path) -> None:
    """Keep a report as the last one of its image.

    A report of some checks only is not kept: it says less than the one that may be there. Outcomes of the former
    report that this one has nothing of, those of CPython's suite for example, are carried over with their date.

    Args:
        report: The report.
        cache: bivy's cache folder.
    """
    if not report.complete:
        return
    former = last(report.digest, cache)
    if former:
        names = {outcome.name for outcome in report.outcomes}
        others = [
            replace(one, date=one.date or former.date)
            for one in former.outcomes
            if one.name not in names and one.group == "suite"
        ]
        report = replace(report, outcomes=(*report.outcomes, *others))
    write_whole(_path(report.digest, cache), msgspec.json.encode(report))


def last(digest: str, cache: Path) -> Report | None:
    """Return the last report of an image, ``None`` where there is none that can be read.

    Args:
        digest: The digest of its manifest.
        cache: bivy's cache folder.
    """
    if not is_digest(digest):
        return None
    report = read_noted(_path(digest, cache), Report)
    return report if report and report.digest == digest else None


def _path(digest: str, cache: Path) -> Path:
    return cache / _FOLDER / f"{digest.removeprefix('sha256:')}-{_GENERATION}.json"
