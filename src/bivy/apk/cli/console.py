"""What ``apk`` says: results, messages by how much is to be said, and how far it is on a terminal."""

from __future__ import annotations

import os
import sys

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def human_size(size: int) -> str:
    """Spell a number of bytes as apk does: ``9999 B``, ``12 KiB``."""
    for unit in _UNITS[:-1]:
        if size < 10_000:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} {_UNITS[-1]}"


class Console:
    """Where messages go.

    Attributes:
        verbosity: How much is said: 1 unless ``-q`` or ``-v`` is given.
        progress: Whether a bar shows how far it is.
    """

    def __init__(self, verbosity: int, *, progress: bool, progress_descriptor: int = 0) -> None:
        self.verbosity = verbosity
        self.progress = progress
        self._descriptor = progress_descriptor
        self._shown = ""

    def put(self, text: str) -> None:
        """Write a result."""
        self._clear()
        sys.stdout.write(f"{text}\n")

    def say(self, text: str) -> None:
        """Write a message, unless nothing is to be said."""
        if self.verbosity > 0:
            self.put(text)

    def warn(self, text: str) -> None:
        """Write a warning, unless nothing is to be said."""
        if self.verbosity > 0:
            self._to_stderr(f"WARNING: {text}\n")

    def error(self, text: str) -> None:
        """Write what went wrong."""
        self._to_stderr(f"ERROR: {text}\n")

    def _to_stderr(self, text: str) -> None:
        self._clear()
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()

    def advance(self, done: int, total: int) -> None:
        """Show how far it is."""
        if self._descriptor:
            os.write(self._descriptor, f"{done}/{total}\n".encode())
        if not self.progress or not total:
            return
        width = max(os.get_terminal_size(sys.stdout.fileno()).columns - 7, 10)
        shown = f"{done * 100 // total:3}% {'█' * (width * done // total)}"
        if shown != self._shown:
            sys.stdout.write(f"\r\033[K{shown}")
            sys.stdout.flush()
            self._shown = shown

    def _clear(self) -> None:
        if self._shown:
            sys.stdout.write("\r\033[K")
            self._shown = ""

    def done(self) -> None:
        """Take away what shows how far it is."""
        self._clear()
        sys.stdout.flush()
