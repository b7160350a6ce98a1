"""What came of CPython's test suite as one outcome among those of an image's checks, and file by file for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from bivy.verify.report import Outcome, Status

if TYPE_CHECKING:
    from bivy.verify.suite.report import SuiteReport

NAME: Final = "cpython-suite"
GROUP: Final = "suite"
_TITLE: Final = "CPython's own tests pass, but for those that are known to fail"
_WHY: Final = "musl, and how an image is made, change what Python does in ways that no list of checks foresees"
_SOURCE: Final = "CPython's Lib/test of the image's version; src/bivy/verify/suite/known.toml for what fails, and why"
_REMEDY: Final = (
    "run the test alone (python -m bivy.verify.suite REF TEST); what is no fault goes on the list, with its reason"
)


def outcome_of_suite(report: SuiteReport) -> Outcome:
    """Return a report of the whole suite as the outcome of one check, to be given to `bivy.verify.verify.verify`."""
    return _outcome(
        Status.PASSED if report.good else Status.FAILED,
        findings=tuple(report.findings()),
        reason=report.summary(),
    )


def suite_skipped(reason: str) -> Outcome:
    """Return the outcome for an image in which the suite cannot run, for the reason that is given."""
    return _outcome(Status.SKIPPED, reason=reason)


def suite_as_json(report: SuiteReport) -> dict[str, Any]:
    """Return what came of each file of tests, as docs/verify.md describes it."""
    return {
        "version": report.version,
        "date": report.date,
        "seconds": report.seconds,
        "figures": report.figures(),
        "files": [
            {
                "name": file.name,
                "status": file.status.value.replace(" ", "_"),
                "run": file.run,
                "skipped": file.skipped,
                "reason": file.reason or None,
                "seconds": file.seconds,
                "faults": msgspec.to_builtins(file.faults),
            }
            for file in report.files
        ],
        "new": msgspec.to_builtins(report.new),
        "known": [{"name": fault.name, "how": fault.how, "reason": known.reason} for fault, known in report.known],
        "passing": list(report.passing),
    }


def _outcome(status: Status, *, findings: tuple[str, ...] = (), reason: str) -> Outcome:
    return Outcome(
        name=NAME, title=_TITLE, group=GROUP, status=status, findings=findings, reason=reason,
        why=_WHY, source=_SOURCE, remedy=_REMEDY,
    )  # fmt: skip
