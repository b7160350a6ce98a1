"""What came of CPython's test suite in an image: an outcome for each file of tests, and which failures are known."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bivy.verify.suite.known import Known


class Status(enum.Enum):
    """What came of a file of tests."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """No test of it ran, as the reason says."""
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    """It ended before it said what came of it."""
    NOT_RUN = "not run"
    """The run was interrupted before."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A test that failed, or a file that did not come to its end.

    Attributes:
        name: The test's id, ``test.test_os.ChownFileTests.test_chown``, or the file's name.
        how: ``failed``, ``crashed``, ``timed out`` or ``skipped``.
        text: What was said of it: the end of a traceback, or the test that was under way.
    """

    name: str
    how: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What came of one file of tests.

    Attributes:
        name: What regrtest calls it: ``test_os``, ``test.test_asyncio.test_events``.
        status: What came of it.
        passed: The ids of the tests that passed.
        skipped: How many tests were skipped.
        lacking: How many of those for want of a module that only CPython's tests use.
        faults: What failed.
        reason: Why it was skipped.
        seconds: How long it took.
        again: What failed at first, and passed when the file was run again alone.
    """

    name: str
    status: Status
    passed: tuple[str, ...] = ()
    skipped: int = 0
    lacking: int = 0
    faults: tuple[Fault, ...] = ()
    reason: str = ""
    seconds: float = 0.0
    again: tuple[str, ...] = ()

    @property
    def run(self) -> int:
        """How many tests ran, those not counted that were skipped."""
        return len(self.passed) + sum(1 for fault in self.faults if fault.how == "failed")


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """What came of CPython's test suite in an image.

    Attributes:
        image: What the person called it.
        digest: The digest of its manifest.
        platform: What it is for, as in ``docker --platform``.
        version: The version of its Python, whose tests they are.
        date: When the run began, UTC, as RFC 3339 has it.
        seconds: How long it took.
        files: What came of each file, in regrtest's order.
        new: What failed and is not known to.
        known: What failed as it is known to, with what is known of it.
        passing: Names of what is known to fail and passed.
        whole: Whether all files were asked for.
    """

    image: str
    digest: str
    platform: str
    version: str
    date: str
    seconds: float
    files: tuple[FileOutcome, ...]
    new: tuple[Fault, ...]
    known: tuple[tuple[Fault, Known], ...]
    passing: tuple[str, ...]
    whole: bool

    @property
    def interrupted(self) -> bool:
        """Whether files are missing that were asked for."""
        return any(file.status is Status.NOT_RUN for file in self.files)

    @property
    def good(self) -> bool:
        """Whether everything ran, and nothing failed that is not known to."""
        return bool(self.files) and not self.new and not self.interrupted

    def having(self, status: Status) -> tuple[FileOutcome, ...]:
        """Return the files with a status."""
        return tuple(file for file in self.files if file.status is status)

    def figures(self) -> dict[str, int]:
        """Return what is counted, by name, for the docs and the page."""
        return {
            "files": len(self.files),
            "files_run": sum(1 for file in self.files if file.status not in (Status.SKIPPED, Status.NOT_RUN)),
            "files_skipped": len(self.having(Status.SKIPPED)),
            "tests_run": sum(file.run for file in self.files),
            "tests_passed": sum(len(file.passed) for file in self.files),
            "tests_skipped": sum(file.skipped for file in self.files),
            "tests_skipped_for_modules": sum(file.lacking for file in self.files),
            "failed_as_known": sum(1 for fault, _ in self.known if fault.how != "skipped"),
            "failed_otherwise": sum(1 for fault in self.new if fault.how != "skipped"),
            "skipped_otherwise": sum(1 for fault in self.new if fault.how == "skipped"),
            "passed_when_run_again": sum(len(file.again) for file in self.files),
        }

    def summary(self) -> str:
        """Say in a line what it came to."""
        figures = self.figures()
        words = [
            f"CPython {self.version}: {figures['tests_run']:,} tests of {figures['files_run']} files ran",
            f"{figures['failed_as_known']} failed as known",
            f"{figures['failed_otherwise']} failed otherwise",
            f"{figures['tests_skipped']:,} were skipped, and {figures['files_skipped']} files",
        ]
        if self.interrupted:
            words.append(f"interrupted: {len(self.having(Status.NOT_RUN))} files did not run")
        return ", ".join(words)

    def findings(self) -> list[str]:
        """Say what is the matter, a line each; nothing where it is good."""
        lines = [_line(fault) for fault in self.new]
        left = self.having(Status.NOT_RUN)
        if left:
            lines.append(f"{len(left)} of {len(self.files)} files did not run: the run was interrupted")
        return lines


def _line(fault: Fault) -> str:
    from bivy.musl.render.summary import flat

    how = "was skipped" if fault.how == "skipped" else fault.how
    return f"{fault.name} {how}" + (f": {flat(fault.text)}" if fault.text else "")
