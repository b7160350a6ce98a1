"""What came of moving tags, as ``bivy build --all`` and ``bivy push --all`` say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bivy.cli.common import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.tags.move import Moved


def show(moved: Sequence[Moved], *, as_json: bool, problems: bool = False) -> None:
    """Say which tags were moved and which stay where they are; the exit status is 1 where one stays.

    Args:
        moved: What came of it, an image each.
        as_json: Say it as JSON.
        problems: Whether something else went wrong, which was said already.
    """
    if as_json:
        from bivy.tags.render import moved_as_json

        print_json(moved_as_json(moved))
    else:
        for each in moved:
            for line in _lines(each):
                click.echo(line)
    if problems or not all(each.done for each in moved):
        raise click.exceptions.Exit(1)


def _lines(moved: Moved) -> list[str]:
    from bivy.musl.render.summary import flat

    platforms = ", ".join(report.platform for report in moved.reports)
    if moved.done:
        return [f"{moved.name}  {platforms}  {moved.digest}", f"    tags: {', '.join(moved.tags)}"]
    failed = "; ".join(f"{check} ({platform})" for platform, check in moved.failures)
    why = flat(moved.fault) or f"it does not pass {failed}"
    lines = [f"{moved.name}  not moved: {why}", f"    these stay where they are: {', '.join(moved.tags)}"]
    if moved.kept:
        lines.append(f"    bivy verify {moved.kept} says what is the matter")
    elif moved.failures:
        lines.append(f"    bivy verify {moved.name} says what is the matter")
    return [*lines, *([f"    {flat(moved.hint)}"] if moved.hint else [])]
