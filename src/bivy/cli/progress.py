"""What is under way, drawn on a terminal: a line for each task that runs, and one that stays for each that ended."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from bivy.progress import Outcome

if TYPE_CHECKING:
    from types import TracebackType

_MARKS = {
    Outcome.DONE: "[green]✓[/]",
    Outcome.CACHED: "[dim]=[/]",
    Outcome.FAILED: "[red]✗[/]",
    Outcome.STOPPED: "[yellow]·[/]",
}


class OnDemand:
    """A `bivy.progress.Progress` on a terminal that is there only while a task is under way: others draw there too."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._under_way = 0
        self._lock = threading.Lock()

    def begin(self, key: str, *, total: int | None = None) -> None:
        """Show a task."""
        with self._lock:
            if self._live is None:
                self._live = Live()
                self._live.__enter__()
            self._under_way += 1
            self._live.begin(key, total=total)

    def advance(self, key: str, amount: int) -> None:
        """Move a task's bar."""
        with self._lock:
            if self._live:
                self._live.advance(key, amount)

    def end(self, key: str, outcome: Outcome, detail: str = "") -> None:
        """Replace a task by a line that stays, and clear the display where it was the last."""
        with self._lock:
            if self._live:
                self._live.end(key, outcome, detail)
                self._under_way -= 1
                if self._under_way <= 0:
                    self._live.__exit__(None, None, None)
                    self._live = None

    def say(self, message: str) -> None:
        """Print a line that stays."""
        with self._lock:
            if self._live:
                self._live.say(message)
            else:
                click.echo(message, err=True)


class _Amount(DownloadColumn):
    """How much of a download there is; nothing for tasks without a size."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.total else Text("")


class _Bar(BarColumn):
    """A bar for tasks with a size, a blank for others."""

    def render(self, task: Task) -> object:  # type: ignore[override]
        return super().render(task) if task.total else Text("")


class Live:
    """A `bivy.progress.Progress` on a terminal."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._console = Console(stderr=True, highlight=False)
        self._display = Progress(
            SpinnerColumn(), TextColumn("{task.description}", table_column=Column(min_width=28)), _Bar(bar_width=20),
            _Amount(), TimeElapsedColumn(), console=self._console, transient=True,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._display.stop()

    def begin(self, key: str, *, total: int | None = None) -> None:
        """Show a task."""
        with self._lock:
            self._tasks[key] = self._display.add_task(escape(key), total=total)

    def advance(self, key: str, amount: int) -> None:
        """Move a task's bar."""
        with self._lock:
            if key in self._tasks:
                self._display.advance(self._tasks[key], amount)

    def end(self, key: str, outcome: Outcome, detail: str = "") -> None:
        """Replace a task by a line that stays; what was there already is worth one only with ``-v``."""
        with self._lock:
            task = self._tasks.pop(key, None)
            if task is not None:
                self._display.remove_task(task)
        if outcome is not Outcome.CACHED or self._verbose:
            self._console.print(f"{_MARKS[outcome]} {escape(key):<40} [dim]{escape(detail)}[/]")

    def say(self, message: str) -> None:
        """Print a line that stays."""
        self._console.print(escape(message))
