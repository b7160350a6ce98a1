"""Options and output that all commands share."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bivy.progress import Lines, Progress, Silent
from bivy.units import spell_size as spell_size  # noqa: PLC0414 - the commands take it from here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Function = TypeVar("Function", bound="Callable[..., Any]")

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
output_option = click.option(
    "--output", "-o", type=click.Path(path_type=Path, file_okay=False), default=Path("dist"), show_default=True,
    metavar="DIR", help="The OCI layout that images are in.",
)  # fmt: skip
platform_option = click.option(
    "--platform", "--arch", "arch", metavar="ARCH",
    help="The image's architecture, by Alpine's name or OCI's: aarch64, linux/arm64.",
)  # fmt: skip


def volume_options(function: Function) -> Function:
    """Add ``-q`` and ``-v``: how much is said besides the result."""
    function = click.option("--verbose", "-v", is_flag=True, help="Say more.")(function)
    return click.option("--quiet", "-q", is_flag=True, help="Say nothing but the result and faults.")(function)


@contextmanager
def watching(*, quiet: bool, verbose: bool = False) -> Iterator[Progress]:
    """Give a watcher that suits where standard error goes: a live display on a terminal, plain lines elsewhere."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        from bivy.cli.progress import Live

        with Live(verbose=verbose) as live:
            yield live
    else:
        yield Lines(sys.stderr)


def fetching(*, quiet: bool = False) -> Progress:
    """Give a watcher for what may have to be fetched first, by a command that draws something else afterwards."""
    if quiet:
        return Silent()
    if sys.stderr.isatty():
        from bivy.cli.progress import OnDemand

        return OnDemand()
    return Lines(sys.stderr)


def print_json(value: object) -> None:
    """Print a value as JSON, for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
