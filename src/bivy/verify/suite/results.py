"""What one file of tests wrote while it ran becomes its outcome, also where it was cut off or is not to be trusted."""

from __future__ import annotations

import collections
import json
import re
import signal
from typing import TYPE_CHECKING

from bivy.verify.suite.report import Fault, FileOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NO_TESTS = 4
"""regrtest's exit status where a file has no tests that can run (libregrtest/results.py)."""
# What faulthandler says before it ends the process, behind whatever was in the line.
_TIMEOUT = re.compile(r"Timeout \(\d+:\d\d:\d\d(?:\.\d+)?\)!$", re.MULTILINE)
_TEST_MODULES = re.compile(r"\b_?xx\w+|\b_test\w+|test modules")


def outcome_of(name: str, record: bytes, log: str, status: int | None, seconds: float) -> FileOutcome:
    """Judge a file of tests.

    Args:
        name: What regrtest calls the file.
        record: What `bivy.verify.suite.inside.recorder` wrote; may be cut off anywhere.
        log: What regrtest printed, or the end of it.
        status: Its exit status, 128 + N where signal N ended it; ``None`` where it was ended for taking too long.
        seconds: How long it took.
    """
    said = _Said(record)
    faults = [Fault(test, "failed", text) for test, text in said.failed.items()]
    passed = tuple(test for test in said.passed if test not in said.failed)
    skipped = [text for test, text in said.skipped.items() if test not in said.passed and test not in said.failed]
    lacking = sum(1 for text in skipped if _TEST_MODULES.search(text))

    def made(kind: Status, *more: Fault, reason: str = "") -> FileOutcome:
        return FileOutcome(name, kind, passed, len(skipped), lacking, (*faults, *more), reason, round(seconds, 1))

    if status is None or (said.status is None and _TIMEOUT.search(log)):
        return made(Status.TIMED_OUT, Fault(name, "timed out", said.under_way))
    if said.status is None:
        how = f"{_spell(status)} {said.under_way}".strip()
        return made(Status.CRASHED, Fault(name, "crashed", how))
    if said.status in (0, NO_TESTS) and not faults:
        if passed:
            return made(Status.PASSED)
        return made(Status.SKIPPED, reason=_why_skipped(name, log) or _most_common(skipped))
    if not faults:
        return made(Status.FAILED, Fault(name, "failed", _last_error(log)))
    return made(Status.FAILED)


class _Said:
    """What a record says, as far as it can be read."""

    def __init__(self, record: bytes) -> None:
        self.passed: dict[str, None] = {}
        self.failed: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.status: int | None = None
        self._started: dict[str, None] = {}
        for event in _events(record):
            self._hear(event)

    def _hear(self, event: dict[str, object]) -> None:
        started, test, outcome, text = (event.get(key) for key in ("start", "end", "outcome", "text"))
        if isinstance(started, str):
            self._started[started] = None
        if isinstance(test, str):
            self._started.pop(test, None)
            if outcome == "passed":
                self.passed[test] = None
            elif outcome == "failed":
                self.failed[test] = str(text)
            elif outcome == "skipped":
                self.skipped[test] = str(text)
        status = event.get("status")
        if isinstance(status, int) and not isinstance(status, bool):
            self.status = status

    @property
    def under_way(self) -> str:
        last = next(reversed(self._started), None)
        return f"in {last}" if last else ""


def _events(record: bytes) -> Iterator[dict[str, object]]:
    for line in record.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield event


def _why_skipped(name: str, log: str) -> str:
    found = re.search(rf"^{re.escape(name)} skipped -- (.+)$", log, re.MULTILINE)
    return found[1].strip() if found else ""


def _most_common(reasons: Sequence[str]) -> str:
    """Return the reason for which most tests of a file were skipped of which none ran."""
    return collections.Counter(reasons).most_common(1)[0][0] if reasons else "there is no test in it"


def _last_error(log: str) -> str:
    """Return the last line with the name of an exception, which is why a file could not even be imported."""
    found = re.findall(r"^[\w.]+(?:Error|Exception|Interrupt)\b.*$", log, re.MULTILINE)
    return found[-1].strip() if found else ""


def _spell(status: int | None) -> str:
    if status is not None and status > 128:  # a shell's and bubblewrap's way to tell of a signal
        try:
            return f"with the signal {signal.Signals(status - 128).name}"
        except ValueError:
            pass
    return f"with the exit status {status}"
