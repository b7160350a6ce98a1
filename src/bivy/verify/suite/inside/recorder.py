"""Run CPython's regrtest for one file of its tests, and write down the outcome of each test when it is known.

regrtest's own report (``--junit-xml``) is written at the end, so that a crash leaves nothing of it, and has neither
failures of subtests nor of a class's preparation. This is handed to ``python3 -c``, with the file to write to in
``BIVY_SUITE_RECORD`` and regrtest's words as arguments. It writes a JSON object a line: ``{"start": ID}``;
``{"end": ID, "outcome": "passed", "failed" or "skipped", "text": WHY}``; ``{"status": N}`` when regrtest is done.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = "BIVY_SUITE_RECORD"
LONGEST = 2000
OUTCOMES = {
    "addSuccess": "passed",
    "addExpectedFailure": "passed",
    "addSkip": "skipped",
    "addUnexpectedSuccess": "failed",
    "addFailure": "failed",
    "addError": "failed",
}
"""What is heard of a test by the method of unittest's TestResult that is called; subtests apart."""


def recorder(place: str) -> Callable[[dict[str, object]], None]:
    """Return what writes an event down.

    Nothing stays open, since tests count descriptors. A forked child has nothing to say.
    """
    # Tests put others in the place of these.
    getpid, opening, write, close, dumps = os.getpid, os.open, os.write, os.close, json.dumps
    process, flags = os.getpid(), os.O_WRONLY | os.O_APPEND | os.O_CREAT

    def record(event: dict[str, object]) -> None:
        if getpid() != process:
            return
        descriptor = opening(place, flags, 0o644)
        try:
            write(descriptor, dumps(event).encode() + b"\n")
        finally:
            close(descriptor)

    return record


def name_of(test: object) -> str:
    """Return the name of a test, that of the whole one for a subtest."""
    test = getattr(test, "test_case", test)
    try:
        return str(test.id())  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        return str(test)


def why(reason: object) -> str:
    """Return what a person is told: the reason of a skip, or the end of a traceback."""
    import traceback

    if isinstance(reason, tuple):
        return "".join(traceback.format_exception_only(*reason[:2])).strip()[-LONGEST:]
    return str(reason)[:LONGEST]


def listen(result: type, record: Callable[[dict[str, object]], None]) -> None:
    """Have a class of unittest's results write down what it is told."""

    def hear(method: str, note: Callable[..., dict[str, object] | None]) -> None:
        original = getattr(result, method)

        def heard(self: object, test: object, *more: object) -> None:
            event = note(test, *more)
            if event:
                record(event)
            original(self, test, *more)

        setattr(result, method, heard)

    hear("startTest", lambda test: {"start": name_of(test)})
    for method, outcome in OUTCOMES.items():
        hear(
            method,
            lambda test, reason="", outcome=outcome: {
                "end": name_of(test),
                "outcome": outcome,
                "text": "" if outcome == "passed" else why(reason),
            },
        )
    hear(
        "addSubTest",
        lambda test, _part, fault: fault and {"end": name_of(test), "outcome": "failed", "text": why(fault)},
    )


def main() -> None:
    """Run regrtest with this process's arguments."""
    # It is what -m starts a module with, and some tests rely on what it imports.
    import runpy  # noqa: F401

    # Some Pythons that check these lines have the tests, and some have not.
    from test.libregrtest import main as regrtest  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from test.libregrtest import testresult

    record = recorder(os.environ.pop(PLACE))
    listen(testresult.RegressionTestResult, record)
    status: object = 0
    try:
        regrtest.main()
    except SystemExit as done:
        status = done.code
    record({"status": status if isinstance(status, int) else 1})
    sys.exit(status)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
