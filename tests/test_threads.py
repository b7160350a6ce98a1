from __future__ import annotations

import threading
import time

import pytest

from bivy.threads import StoppedError, side_by_side


def test_each_item_is_worked_on_once_and_only_so_many_at_a_time() -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def work(item: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.005)
        with lock:
            under_way -= 1
        return item * item

    assert side_by_side(work, range(20), 3, threading.Event()) == {item: item * item for item in range(20)}
    assert most <= 3
    assert side_by_side(work, [], 3, threading.Event()) == {}


def test_the_first_fault_ends_all_the_others() -> None:
    stop = threading.Event()

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("zero")
        if stop.wait(10):
            raise StoppedError

    with pytest.raises(ValueError, match="zero"):
        side_by_side(work, range(100), 4, stop)


def test_what_was_stopped_has_no_result() -> None:
    stop = threading.Event()
    stop.set()
    assert side_by_side(str, range(3), 2, stop) == {}
