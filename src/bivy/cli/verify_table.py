"""The report of ``bivy verify`` as a person reads it: what failed with its findings, then the sum of it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bivy.musl.render.summary import flat
from bivy.verify.report import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
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
    from rich.text import Text

    for number, (group, those) in enumerate(groupby(checks, key=lambda check: check.group)):
        if number:
            console.print()
        _line(console, flat(group), "bold")
        for check in those:
            about = _about(check.why, check.source, check.remedy) if verbose else []
            lines = [_plain(check.title), *(_plain(f"{name}: {text}", "dim") for name, text in about)]
            _row(console, Text(""), check.name, lines)


def sentence(report: Report) -> str:
    """Return the answer in one sentence."""
    count = {status: len(report.having(status)) for status in Status}
    made = count[Status.PASSED] + count[Status.FAILED]
    said = "No check was made" if not made else f"All {made} checks passed" if made > 1 else "The check passed"
    if count[Status.FAILED]:
        said = f"{count[Status.FAILED]} of {made} checks failed" if made > 1 else "The check failed"
    more = [f"{count[status]} {status.value}" for status in (Status.SKIPPED, Status.LEFT_OUT) if count[status]]
    return f"{said}{'; ' if more else ''}{', '.join(more)}."


def _outcome(outcome: Outcome, console: Console, *, quiet: bool, verbose: bool) -> None:
    from rich.text import Text

    mark, style = _MARKS[outcome.status]
    lines = [_plain(outcome.title, "" if outcome.status in (Status.PASSED, Status.FAILED) else "dim")]
    if outcome.date:
        lines[0].append(f" ({flat(outcome.date)})", "dim")
    if outcome.reason:
        lines.append(_plain(f"{outcome.status.value}: {outcome.reason}", "yellow"))
    findings = outcome.findings if verbose else outcome.findings[:_FEW]
    lines += [_plain(finding, "red") for finding in findings]
    if len(outcome.findings) > len(findings):
        lines.append(_plain(f"and {len(outcome.findings) - len(findings)} more (-v shows all)", "dim"))
    if verbose or (outcome.status is Status.FAILED and not quiet):
        about = _about(outcome.why, outcome.source if verbose else "", outcome.remedy)
        lines += [_plain(f"{name}: {text}", "dim") for name, text in about]
    _row(console, Text(mark, style), outcome.name, lines)


def _about(why: str, source: str, remedy: str) -> list[tuple[str, str]]:
    told = (("why", why), ("what to do", remedy), ("from", source))
    return [(name, flat(text)) for name, text in told if text]


def _row(console: Console, mark: Text, name: str, lines: Sequence[Text]) -> None:
    """Draw a mark, a name and lines beside it: wrapped on a terminal, whole elsewhere."""
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        head, *others = lines
        start = Text.assemble(mark, " " if mark else "  ", flat(name).ljust(_NAME), " ", head)
        for line in (start, *(Text.assemble("    ", other) for other in others)):
            console.print(line, soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True, width=_NAME)
    grid.add_column(overflow="fold")
    grid.add_row(mark, _plain(name), Text("\n").join(lines))
    console.print(grid)


def _plain(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(flat(text), style)


def _line(console: Console, text: str, style: str) -> None:
    console.print(_plain(text, style), soft_wrap=True)
