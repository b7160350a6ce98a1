"""Several things at once, in a few threads, all of which end together."""

from __future__ import annotations

import collections
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Seconds that threads have to end after Ctrl-C; those that wait for the network then are left to end with the process.
_LAST_WORDS = 0.5

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class StoppedError(Exception):
    """Another of the things done at once, or the person, ended all of them."""


def side_by_side(
    work: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int, stop: threading.Event
) -> dict[_Item, _Result]:
    """Do the work for each item in a few threads, which do not outlive a Ctrl-C even when they wait for the network.

    Args:
        work: What is done with each; it ends with `StoppedError` soon after `stop` is set.
        items: What it is done with.
        jobs: How many are under way at most.
        stop: Set where one fails, or the person ends it.

    Returns:
        What came of each; those are missing that were stopped.

    Raises:
        BaseException: What the first that failed raised.
    """
    waiting = collections.deque(items)
    done: dict[_Item, _Result] = {}
    faults: list[BaseException] = []

    def worker() -> None:
        while not stop.is_set():
            try:
                item = waiting.popleft()
            except IndexError:
                return
            try:
                done[item] = work(item)
            except StoppedError:
                return
            except BaseException as fault:  # noqa: BLE001 - raised again by the thread that waits
                faults.append(fault)
                stop.set()

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(jobs, len(items)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        stop.set()
        deadline = time.monotonic() + _LAST_WORDS
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        raise
    if faults:
        raise faults[0]
    return done
