"""The report of ``bivy verify`` as a person reads it: what failed with its findings, then the sum of it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bivy.musl.render.summary import flat
from bivy.verify.report import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bivy.verify.check import Check
    from bivy.verify.report import Outcome, Report

_MARKS = {
    Status.PASSED: ("✓", "green"), Status.FAILED: ("✗", "red"), Status.SKIPPED: ("·", "yellow"),
    Status.LEFT_OUT: ("-", "yellow"),
}  # fmt: skip
# As many findings as make clear what it is about.
_FEW = 5
# As wide as the longest name of bivy's own checks.
_NAME = 20


def draw(report: Report, console: Console, *, quiet: bool = False, verbose: bool = False) -> None:
    """Draw a report; the last line is the answer.

    Args:
        report: The report.
        console: Where to.
        quiet: Leave out what passed, and the reasons why checks matter.
        verbose: Show all findings, and of each check why it matters and whence it is.
    """
    if not quiet:
        _line(console, f"{flat(report.image)}  {report.platform}  {report.digest}", "dim")
    for group, those in groupby(report.outcomes, key=lambda outcome: outcome.group):
        shown = [outcome for outcome in those if not quiet or outcome.status is Status.FAILED]
        if shown:
            console.print()
            _line(console, flat(group), "bold")
            for outcome in shown:
                _outcome(outcome, console, quiet=quiet, verbose=verbose)
    if not quiet or not report.passed:
        console.print()
    _line(console, sentence(report), "bold green" if report.passed else "bold red")


def draw_list(checks: Sequence[Check], console: Console, *, verbose: bool = False) -> None:
    """Draw what checks there are.

    Args:
        checks: The checks.
        console: Where to.
        verbose: Show of each why it matters, whence it is and what to do where it fails.
    """
    for number, (group, those) in enumerate(groupby(checks, key=lambda check: check.group)):
        if number:
            console.print()
        _line(console, flat(group), "bold")
        for check in those:
            grid = _grid()
            grid.add_row("", _plain(check.name), _plain(check.title))
            for name, text in _about(check.why, check.source, check.remedy) if verbose else ():
                grid.add_row("", "", _plain(f"{name}: {text}", "dim"))
            console.print(grid)


def sentence(report: Report) -> str:
    """Return the answer in one sentence."""
    count = {status: len(report.having(status)) for status in Status}
    made = count[Status.PASSED] + count[Status.FAILED]
    said = (
        f"{count[Status.FAILED]} of {made} checks failed"
        if count[Status.FAILED]
        else f"All {made} checks passed"
        if made
        else "No check was made"
    )
    more = [f"{count[status]} {status.value}" for status in (Status.SKIPPED, Status.LEFT_OUT) if count[status]]
    return f"{said}{'; ' if more else ''}{', '.join(more)}."


def _outcome(outcome: Outcome, console: Console, *, quiet: bool, verbose: bool) -> None:
    from rich.text import Text

    mark, style = _MARKS[outcome.status]
    grid = _grid()
    said = _plain(outcome.title, "" if outcome.status in (Status.PASSED, Status.FAILED) else "dim")
    if outcome.reason:
        said.append(f"\n{outcome.status.value}: {flat(outcome.reason)}", "yellow")
    if outcome.date:
        said.append(f"  ({flat(outcome.date)})", "dim")
    findings = outcome.findings if verbose else outcome.findings[:_FEW]
    for finding in findings:
        said.append(f"\n{flat(finding)}", "red")
    if len(outcome.findings) > len(findings):
        said.append(f"\nand {len(outcome.findings) - len(findings)} more (-v shows all)", "dim")
    if verbose or (outcome.status is Status.FAILED and not quiet):
        for name, text in _about(outcome.why, outcome.source if verbose else "", outcome.remedy):
            said.append(f"\n{name}: {text}", "dim")
    grid.add_row(Text(mark, style), _plain(outcome.name), said)
    console.print(grid)


def _about(why: str, source: str, remedy: str) -> list[tuple[str, str]]:
    told = (("why", why), ("what to do", remedy), ("from", source))
    return [(name, flat(text)) for name, text in told if text]


def _grid() -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True, width=_NAME)
    grid.add_column(overflow="fold")
    return grid


def _plain(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(flat(text), style)


def _line(console: Console, text: str, style: str) -> None:
    console.print(_plain(text, style), soft_wrap=True)
