"""What is under way, told to whoever watches: a terminal, a log, or nobody."""

from __future__ import annotations

import contextlib
import enum
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator


class Outcome(enum.Enum):
    """How a task ended."""

    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"
    STOPPED = "stopped"


class Progress(Protocol):
    """A watcher. Its methods may be called from several threads at once.

    A task is known by a key that is unique among those under way, such as ``"build zlib"``.
    """

    def begin(self, key: str, *, total: int | None = None) -> None:
        """A task started; `total` is its size in bytes where it has one."""

    def advance(self, key: str, amount: int) -> None:
        """A task got `amount` bytes further."""

    def end(self, key: str, outcome: Outcome, detail: str = "") -> None:
        """A task ended; `detail` is for the person, such as ``"1.2 MB"``."""

    def say(self, message: str) -> None:
        """Something worth one line that belongs to no task."""


@contextlib.contextmanager
def under_way(progress: Progress, key: str, *, total: int | None = None, detail: str = "") -> Iterator[None]:
    """Tell a watcher that a task is under way for as long as the block runs, and whether that ended well.

    Args:
        progress: The watcher.
        key: The task.
        total: Its size in bytes, where it has one.
        detail: For the person, where it ends well.
    """
    progress.begin(key, total=total)
    try:
        yield
    except BaseException:
        progress.end(key, Outcome.FAILED)
        raise
    progress.end(key, Outcome.DONE, detail)


class Silent:
    """A watcher that tells nobody."""

    def begin(self, key: str, *, total: int | None = None) -> None:
        """Tell nobody."""

    def advance(self, key: str, amount: int) -> None:
        """Tell nobody."""

    def end(self, key: str, outcome: Outcome, detail: str = "") -> None:
        """Tell nobody."""

    def say(self, message: str) -> None:
        """Tell nobody."""


class Lines:
    """A watcher that writes a line for each task that ends, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, key: str, *, total: int | None = None) -> None:
        """Say nothing until the task ends."""

    def advance(self, key: str, amount: int) -> None:
        """Say nothing until the task ends."""

    def end(self, key: str, outcome: Outcome, detail: str = "") -> None:
        """Write the task, how it ended and the detail."""
        self.say(f"{key}: {outcome.value}" + (f" ({detail})" if detail else ""))

    def say(self, message: str) -> None:
        """Write the message."""
        self._stream.write(f"{message}\n")
        self._stream.flush()
