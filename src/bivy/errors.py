"""The faults that bivy foresees, each with what a person can do about it."""

from __future__ import annotations


class BivyError(Exception):
    """Something failed; the message says what and where, the hint what to do next.

    Attributes:
        hint: What the person can do about it, or ``None`` where the message says it all.
        exit_status: The exit status of the command line: 1, the answer is no.
    """

    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(BivyError):
    """The question was wrong: an unknown version, architecture, reference, key or value."""

    exit_status = 2
