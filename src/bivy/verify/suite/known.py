"""What is known to fail, each with its reason, and what came of a run beside it."""

from __future__ import annotations

import fnmatch
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from bivy.errors import UsageError
from bivy.tables import convert, line_of, parse, read_text
from bivy.verify.suite.report import Fault, FileOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KNOWN = Path(__file__).parent / "known.toml"
"""Where bivy keeps what is known."""


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tests that fail for one reason.

    Attributes:
        tests: Their ids, or names of files where `how` is not ``failed``; ``*`` stands for anything.
        because: What they fail for: ``musl``; how the ``image`` is made; the ``sandbox`` that they run in; or
            ``python``, where they fail on every Linux.
        reason: Why, for a person.
        how: What comes of them; what is left out is never run, since it makes others fail.
        text: What is said of them where they fail so, ``*`` standing for anything; else it is another failure.
        series: The versions of Python that it holds for, ``3.14``; none for all.
        issue: Where more is said of it, an address.
        sometimes: Whether they pass on other machines, or at other times.
    """

    tests: tuple[str, ...]
    because: Literal["musl", "image", "sandbox", "python"]
    reason: str
    how: Literal["failed", "crashed", "timed out", "skipped", "left out"] = "failed"
    text: str = "*"
    series: tuple[str, ...] = ()
    issue: str = ""
    sometimes: bool = False

    def covers(self, fault: Fault) -> bool:
        """Tell whether a fault is one of these."""
        return (
            self.how == fault.how
            and fnmatch.fnmatchcase(fault.text, self.text)
            and any(fnmatch.fnmatchcase(fault.name, test) for test in self.tests)
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    known: tuple[Known, ...] = ()


@functools.cache
def read_known(path: Path = KNOWN) -> tuple[Known, ...]:
    """Read what is known.

    Raises:
        UsageError: Something in the file is wrong; the message has the line.
    """
    text = read_text(path)
    known = convert(path, text, parse(path, text), _File, what="the list of known failures").known
    for number, entry in enumerate(known):
        if not entry.tests or not entry.reason.strip():
            line = line_of(text, f"known[{number}]")
            raise UsageError(f"{path}:{line}: a known failure has tests and a reason")
    return known


def known_for(version: str, known: Iterable[Known]) -> tuple[Known, ...]:
    """Return what is known of a version of Python."""
    series = ".".join(version.split(".")[:2])
    return tuple(entry for entry in known if not entry.series or series in entry.series)


def left_out(known: Iterable[Known]) -> tuple[str, ...]:
    """Return the patterns of the tests that are not to run."""
    return tuple(test for entry in known if entry.how == "left out" for test in entry.tests)


def faults_of(file: FileOutcome) -> tuple[Fault, ...]:
    """Return what may be a failure of a file's: also that it was skipped, which hides that a module is missing."""
    if file.status is Status.SKIPPED:
        return (Fault(file.name, "skipped", file.reason),)
    return file.faults


def compare(
    files: Sequence[FileOutcome], known: Sequence[Known]
) -> tuple[tuple[Fault, ...], tuple[tuple[Fault, Known], ...], tuple[str, ...]]:
    """Compare what came of a run with what is known.

    Args:
        files: What came of each file.
        known: What is known of this version of Python.

    Returns:
        What failed and is not known to; what failed as known, with what is known; and the names of what passed though
        it is known to fail always.
    """
    new, expected = [], []
    for file in files:
        for fault in faults_of(file):
            entry = next((entry for entry in known if entry.covers(fault)), None)
            if entry is None:
                new.append(fault)
            else:
                expected.append((fault, entry))
    return tuple(new), tuple(expected), tuple(_passing(files, known, {fault.name for fault, _ in expected}))


def _passing(files: Sequence[FileOutcome], known: Sequence[Known], failed: set[str]) -> list[str]:
    """Find the names of known failures that were seen to pass, none of what a pattern means failing any more."""
    names = {file.name for file in files if file.status is Status.PASSED}
    tests = {test for file in files for test in file.passed}
    found = []
    for entry in known:
        if entry.sometimes or entry.how == "left out":
            continue
        seen = tests | names if entry.how == "failed" else names
        found += [test for test in entry.tests if fnmatch.filter(seen, test) and not fnmatch.filter(failed, test)]
    return found
