"""What came of the checks of an image: an outcome for each, with the image's digest, so that it cannot be mistaken."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Status(enum.Enum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be made, as the reason says: no emulator, no package database."""
    LEFT_OUT = "left out"
    """A person left it out, for the reason that is given."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check.

    Attributes:
        name: The check's name: ``recursion-in-thread``.
        title: What holds where it passes, a sentence: ``No file is writable by others``.
        group: What it belongs to: ``official``, ``libraries``, ``root``, ``variant``, ``format``, ``suite``, or a
            person's own.
        status: What came of it.
        findings: What is the matter where it failed, a line each.
        reason: Why it was skipped or left out; of one that passed what it came to, where that is worth a line.
        why: Why it matters, a sentence.
        source: The specification or incident that it comes from.
        remedy: What to do where it fails.
        date: When it was made, where that was not when the rest of the report was; else empty.
    """

    name: str
    title: str
    group: str
    status: Status
    findings: tuple[str, ...] = ()
    reason: str = ""
    why: str = ""
    source: str = ""
    remedy: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the checks of one image.

    Attributes:
        image: What the person called it.
        digest: The digest of its manifest.
        platform: What it is for, as in ``docker --platform``.
        date: When it was checked, UTC, as RFC 3339 has it.
        bivy: The version of bivy that did.
        outcomes: What came of each check, in the order of groups.
        complete: Whether all of bivy's own checks were asked for; those that were left out with a reason count.
    """

    image: str
    digest: str
    platform: str
    date: str
    bivy: str
    outcomes: tuple[Outcome, ...]
    complete: bool = True

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.having(Status.FAILED)

    def having(self, status: Status) -> tuple[Outcome, ...]:
        """Return the outcomes with a status."""
        return tuple(outcome for outcome in self.outcomes if outcome.status is status)
