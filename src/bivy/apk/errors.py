"""The faults that a package, an index, a key or a database can have, for the person who handed it over."""

from __future__ import annotations


class ApkError(Exception):
    """A package, index, signature, version or database is not what it has to be.

    Attributes:
        hint: What the person can do about it, or ``None`` where the message says it all.
        exit_status: The exit status of the command line: 1, the answer is no.
    """

    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UntrustedError(ApkError):
    """Nobody who is trusted has signed it."""
