"""Whoever waits for a change in folders is woken, whatever happens to the folders."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from bivy.app.alarm import Alarm


class Bell:
    def __init__(self) -> None:
        self.rung: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.said: list[str] = []
        self.alarm = Alarm(lambda: self.rung.put(None), self.said.append)

    def heard(self) -> None:
        self.rung.get(timeout=30)


@pytest.fixture
def bell() -> Iterator[Bell]:
    made = Bell()
    with contextlib.closing(made.alarm):
        yield made


def test_it_rings_once_it_is_set_and_then_for_each_change(bell: Bell, tmp_path: Path) -> None:
    bell.alarm.watch(frozenset({tmp_path}))
    bell.heard()
    (tmp_path / "a").write_text("")
    bell.heard()
    (tmp_path / "a").unlink()
    bell.heard()
    assert bell.rung.empty()


def test_folders_can_be_added_and_taken_away(bell: Bell, tmp_path: Path) -> None:
    bell.alarm.watch(frozenset({tmp_path}))
    bell.heard()
    (tmp_path / "inner").mkdir()
    bell.heard()
    bell.alarm.watch(frozenset({tmp_path, tmp_path / "inner"}))
    bell.heard()
    (tmp_path / "inner" / "a").write_text("")
    bell.heard()


def test_a_folder_that_is_gone_is_no_end(bell: Bell, tmp_path: Path) -> None:
    bell.alarm.watch(frozenset({tmp_path, tmp_path / "gone"}))
    bell.heard()
    bell.alarm.watch(frozenset({tmp_path}))
    bell.heard()
    (tmp_path / "a").write_text("")
    bell.heard()
    assert bell.said == []


def test_where_the_kernel_refuses_it_looks_itself_and_says_so(
    bell: Bell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import watchfiles

    def refusing(*_: object, **__: object) -> object:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(watchfiles, "watch", refusing)
    bell.alarm.watch(frozenset({tmp_path}))
    bell.heard()
    bell.alarm.watch(frozenset({tmp_path}))
    bell.heard()
    assert len(bell.said) == 1
    assert "watch limit" in bell.said[0]
    bell.heard()
