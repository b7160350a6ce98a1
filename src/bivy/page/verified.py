"""What an image passed, and when, as a page has it: the last report of ``bivy verify``, kept beside the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from bivy.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

VERIFIED: Final = "verified.json"
"""The name of the file, in a page's folder, that has the outcomes which the page tells."""


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What came of one check; see `bivy.verify.report.Outcome`."""

    name: str
    title: str
    group: str
    status: str
    findings: tuple[str, ...] = ()
    reason: str = ""
    date: str = ""


class Verified(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of the checks of one image.

    Attributes:
        digest: The image's.
        date: When it was checked, as RFC 3339 has it.
        bivy: The version of bivy that did.
        outcomes: What came of each check.
    """

    digest: str
    date: str
    bivy: str
    outcomes: tuple[Outcome, ...]

    def having(self, status: str) -> tuple[Outcome, ...]:
        """Return the outcomes with a status, one of `bivy.verify.report.Status`."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == status)


def last_verified(digest: str, cache: Path) -> Verified | None:
    """Return what the cache of this machine has of the checks of an image; `None` where that is nothing.

    Args:
        digest: The digest of the image's manifest.
        cache: bivy's cache folder.
    """
    from bivy.verify.record import last

    report = last(digest, cache)
    if report is None:
        return None
    outcomes = tuple(
        Outcome(one.name, one.title, one.group, one.status.value, one.findings, one.reason, one.date)
        for one in report.outcomes
    )
    return Verified(report.digest, report.date, report.bivy, outcomes)


def read_verified(folder: Path, digest: str) -> Verified | None:
    """Return what a page's folder has of the checks of an image; `None` where that is nothing, or of another image.

    Raises:
        UsageError: The file is damaged.
    """
    path = folder / VERIFIED
    if not path.is_file():
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Verified)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise UsageError(
            f"{path} is damaged: {fault}", hint="remove it, and run bivy verify and bivy page again"
        ) from None
    return found if found.digest == digest else None


def newer(one: Verified | None, other: Verified | None) -> Verified | None:
    """Return the later of two reports."""
    found = [each for each in (one, other) if each]
    return max(found, key=lambda each: each.date, default=None)


def write_verified(verified: Verified) -> bytes:
    """Return what `read_verified` reads."""
    return msgspec.json.format(msgspec.json.encode(verified), indent=2) + b"\n"
