"""Something happens in folders, and whoever waits for that is woken: by the kernel, without looking again and again."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Milliseconds. Editors write in bursts, and who checks out a branch changes many files: it is quiet before it is told.
_QUIET: Final = 60
_LONGEST: Final = 1600
_FIRST: Final = 100
# Seconds.
_PAUSE: Final = 1.0
_INTERVAL: Final = 0.5


class Alarm:
    """Watches folders, none of those below them, in a thread of its own.

    Args:
        ring: Called, from that thread, after something has happened in one of them, and once when all are watched:
            what happened before that is not noticed. Where the kernel cannot tell, or is not to be asked
            (``WATCHFILES_FORCE_POLLING``), it is called all the time.
        say: Called with what a person ought to know.
    """

    def __init__(self, ring: Callable[[], None], say: Callable[[str], None]) -> None:
        self._ring = ring
        self._say = say
        self._polling = False
        self._folders: frozenset[Path] = frozenset()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, folders: frozenset[Path]) -> None:
        """Watch these folders from now on, and no others."""
        if folders == self._folders and self._thread and self._thread.is_alive():
            return
        self.close()
        self._folders, self._stop = folders, threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(folders, self._stop), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch nothing any more."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _listen(self, folders: frozenset[Path], stop: threading.Event) -> None:
        # The library's own way of looking again and again misses what changes twice within a second.
        if self._polling or os.environ.get("WATCHFILES_FORCE_POLLING", "") not in ("", "false", "disable", "disabled"):
            self._ring()
            while not stop.wait(_INTERVAL):
                self._ring()
            return
        import watchfiles

        watched = False
        try:
            for changes in watchfiles.watch(
                *folders, watch_filter=None, debounce=_LONGEST, step=_QUIET, stop_event=stop, rust_timeout=_FIRST,
                yield_on_timeout=True, raise_interrupt=False, recursive=False,
            ):  # fmt: skip
                if changes or not watched:
                    self._ring()
                watched = True
        except FileNotFoundError:
            self._again(stop)  # a folder has vanished: whoever is woken finds out which are left
        except (OSError, RuntimeError) as fault:
            self._say(f"the kernel does not tell of changes ({fault}): the files are looked at again and again")
            self._polling = True
            self._again(stop)

    def _again(self, stop: threading.Event) -> None:
        if not stop.wait(_PAUSE):
            self._ring()
