"""The report of ``bivy check`` as a person reads it: on a terminal in a table, in a pipe in plain whole lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bivy.musl.render.summary import (
    by_file,
    by_name,
    describe_targets,
    flat,
    plain,
    rows,
    sentence,
    spell_asked,
    spell_needs,
    spell_place,
    spell_targets,
    split_code,
    steps,
)
from bivy.musl.report import Answer, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.text import Text

    from bivy.musl.render.summary import Row, Step
    from bivy.musl.report import Finding, Report

_SIMPLY_THERE = (Verdict.MUSLLINUX, Verdict.PURE)
_STYLES = {
    Verdict.IMPOSSIBLE: "red", Verdict.UNKNOWN: "magenta", Verdict.COMPILE: "yellow", Verdict.SOURCE: "cyan",
    Verdict.BUILT: "green", Verdict.MUSLLINUX: "green", Verdict.PURE: "green",
    Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan",
    Answer.NO: "bold red", Answer.UNKNOWN: "bold magenta", Answer.COMPILE: "bold yellow", Answer.YES: "bold green",
}  # fmt: skip
# Of a library's missing symbols, the first few say what kind of library it is.
_FEW = 4
# From this width on, in columns, there is room for two words in the first column.
_WIDE = 100


def draw(report: Report, console: Console, *, verbose: bool = False) -> None:
    """Draw a report, worst first; the last line is the answer.

    Args:
        report: The report.
        console: Where to. On a terminal lines are wrapped to its width; elsewhere every line is whole, and findings are
            spelled as compilers do, ``FILE:LINE:COLUMN: error: …``, so that other programs find the place.
        verbose: Also list what is simply there, all evidence, and what was silenced.
    """
    asked = ", ".join(flat(spell_asked(name)) for name in report.asked)
    targets = describe_targets(report.targets)
    wide = console.is_terminal
    _line(console, f"{asked}, for {targets}" if asked else targets, "dim", wrap=wide)
    _distributions(report, console, wide=wide, verbose=verbose)
    for path, findings in by_file(report.found.findings):
        console.print()
        if wide:
            _file(path, findings, report, console, verbose=verbose)
        else:
            _file_plainly(findings, report, console, verbose=verbose)
    _silenced(report, console, verbose=verbose)
    if report.found.problems:
        _heading(console, "Could not be looked at")
        for problem in report.found.problems:
            _line(console, f"  {flat(problem.subject)}: {flat(problem.message)}", wrap=wide)
    todo = steps(report)
    if todo:
        _heading(console, "What to do, in order")
        for number, step in enumerate(todo, 1):
            _step(number, step, console, wide=wide)
    console.print()
    _line(console, sentence(report), _STYLES[report.answer], wrap=wide)


def _distributions(report: Report, console: Console, *, wide: bool, verbose: bool) -> None:
    found = report.found.distributions
    shown = [row for row in rows(found) if verbose or row.verdict not in _SIMPLY_THERE]
    if shown:
        console.print()
        (_table if wide else _table_plainly)(shown, report, console, verbose=verbose)
    if verbose:
        return
    there = [one.verdict for one in by_name(found) if one.verdict in _SIMPLY_THERE]
    if there:
        counted = [
            f"{number} {words}"
            for verdict, words in ((Verdict.MUSLLINUX, "with a wheel for musl"), (Verdict.PURE, "for every platform"))
            if (number := there.count(verdict))
        ]
        if not shown:
            console.print()
        more = f"{len(there)} more are" if shown and len(there) > 1 else f"{len(there)} more is" if shown else "All are"
        _line(console, f"{more} simply there: {', '.join(counted)} (-v lists them)", "dim", wrap=wide)


def _table(shown: Sequence[Row], report: Report, console: Console, *, verbose: bool) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    several = any(spell_targets(row.targets, report.targets) for row in shown)
    between = " " if console.width >= _WIDE else "\n"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("verdict", overflow="fold")
    table.add_column("distribution", overflow="fold")
    if several:
        table.add_column("only on", overflow="fold")
    table.add_column("why", overflow="fold")
    above: tuple[Verdict, str] | None = None
    for row in shown:
        verdict = f"probably{between}{row.verdict}" if row.guess else str(row.verdict)
        said = (row.verdict, row.why)
        why = Text("as above", "dim") if said == above else Text(flat(row.why))
        above = said
        for line in _details(row, verbose=verbose):
            why.append(f"\n{line}", "dim")
        cells = [Text(verdict, _STYLES[row.verdict]), Text(flat(row.label))]
        if several:
            cells.append(Text(spell_targets(row.targets, report.targets)))
        table.add_row(*cells, why)
    console.print(table)


def _table_plainly(shown: Sequence[Row], report: Report, console: Console, *, verbose: bool) -> None:
    """Print a line for each, in columns; none is wrapped."""
    cells = [
        (
            f"probably {row.verdict}" if row.guess else str(row.verdict),
            flat(row.label),
            spell_targets(row.targets, report.targets),
        )
        for row in shown
    ]
    widths = [min(max(len(cell[column]) for cell in cells), 40) for column in range(3)]
    for row, cell in zip(shown, cells, strict=True):
        columns = [text.ljust(width) for text, width in zip(cell, widths, strict=True) if width]
        _line(console, "  ".join([*columns, flat(row.why)]))
        for line in _details(row, verbose=verbose):
            _line(console, f"    {line}")


def _details(row: Row, *, verbose: bool) -> list[str]:
    """Return what is said of a distribution beside the reason."""
    lines = []
    if row.verdict is Verdict.COMPILE and (needs := spell_needs(row.needs)):
        lines.append(f"needs {needs}")
    if verbose:
        lines += [f"takes {file}" for file in row.files]
    if verbose or row.verdict in (Verdict.IMPOSSIBLE, Verdict.UNKNOWN):
        lines += row.evidence
    return [plain(line.expandtabs(4), keep="") for line in lines]


def _file(path: str, findings: Sequence[Finding], report: Report, console: Console, *, verbose: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    _line(console, flat(path), "bold", wrap=True)
    places = [f"{one.line}:{one.column}" if one.column else str(one.line or "") for one in findings]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=0)
    if any(places):
        grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for place, finding in zip(places, findings, strict=True):
        said = _styled(_message(finding, report), console)
        said.append(f"  {flat(finding.rule.name)}", "dim")
        for line in _evidence(finding, verbose=verbose):
            said.append(f"\n{line}", "dim")
        weight = Text(str(finding.weight), _STYLES[finding.weight])
        grid.add_row("", *([Text(place, "dim")] if any(places) else []), weight, said)
    console.print(grid)


def _file_plainly(findings: Sequence[Finding], report: Report, console: Console, *, verbose: bool) -> None:
    for finding in findings:
        column = f":{finding.column}" if finding.column else ""
        place = flat(spell_place(finding) + column)
        rule = flat(finding.rule.name)
        _line(console, f"{place}: {finding.weight}: {_message(finding, report)} ({rule})")
        for line in _evidence(finding, verbose=verbose):
            _line(console, f"    {line}")


def _message(finding: Finding, report: Report) -> str:
    where = spell_targets(finding.targets, report.targets) if finding.targets else ""
    message = flat(finding.message).removesuffix(".")
    return ("probably: " if finding.guess else "") + message + (f" (on {where})" if where else "")


def _evidence(finding: Finding, *, verbose: bool) -> list[str]:
    """Return the lines that a finding rests on: of code all if at all, since the person has it; of binaries a few."""
    lines = [plain(line.expandtabs(4), keep="") for line in finding.evidence]
    if verbose or (finding.line == 0 and len(lines) <= _FEW + 1):
        return lines
    return [*lines[:_FEW], f"and {len(lines) - _FEW} more (-v lists them)"] if finding.line == 0 and lines else []


def _silenced(report: Report, console: Console, *, verbose: bool) -> None:
    silenced = report.found.silenced
    if not silenced:
        return
    if not verbose:
        are = "finding is" if len(silenced) == 1 else "findings are"
        console.print()
        _line(console, f"{len(silenced)} {are} silenced in the code (-v lists them)", "dim", wrap=console.is_terminal)
        return
    _heading(console, "Silenced in the code")
    for one in silenced:
        place, rule, reason = (flat(text) for text in (spell_place(one.finding), one.finding.rule.name, one.reason))
        _line(console, f"  {place}: {rule}: {reason or 'no reason given'}", wrap=console.is_terminal)


def _step(number: int, step: Step, console: Console, *, wide: bool) -> None:
    from rich.table import Table

    about = [flat(one) for one in step.about]
    if wide and len(about) > _FEW:
        about[_FEW:] = [f"{len(about) - _FEW} more"]
    text = flat(step.text)
    colon = ":" if step.command and text.endswith(":") else ""
    said = _styled(text.removesuffix(":") if colon else text, console)
    said.append(f" ({', '.join(about)})", "dim").append(colon)
    if wide:
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(justify="right", width=3)
        grid.add_column(overflow="fold")
        grid.add_row(f"{number}.", said)
        console.print(grid)
    else:
        console.print(f"{number:3}.", said, soft_wrap=True)
    if step.command:  # never wrapped, so that it can be copied
        _line(console, f"       {flat(step.command)}", "bold")


def _styled(text: str, console: Console) -> Text:
    """Return a sentence with its code in bold; where there is no bold, in the backquotes that it came in."""
    from rich.text import Text

    if not console.is_terminal or console.is_dumb_terminal:
        return Text(text)
    return Text.assemble(*((part, "bold") if is_code else part for is_code, part in split_code(text)))


def _heading(console: Console, text: str) -> None:
    console.print()
    _line(console, text, "bold")


def _line(console: Console, text: str, style: str = "", *, wrap: bool = False) -> None:
    from rich.text import Text

    console.print(Text(text, style), soft_wrap=not wrap, overflow="fold" if wrap else None)
