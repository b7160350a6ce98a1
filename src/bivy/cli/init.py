"""``bivy init``: the table [tool.bivy] for a project that has none."""

from __future__ import annotations

from pathlib import Path

import click

from bivy.cli.common import volume_options


@click.command()
@click.argument("where", type=click.Path(path_type=Path, exists=True), default=Path(), metavar="[FOLDER]")
@click.option("--print", "only_shown", is_flag=True, help="Print the table, and write nothing.")
@volume_options
def command(*, where: Path, only_shown: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001 - nothing more to say
    """Write down what the image of a project is to be like.

    The table [tool.bivy] is put at the end of the project's pyproject.toml, or into bivy.toml where it has none, from
    what is found in the project; a comment explains each line. What is there already is never changed. None of the
    project's code is run.
    """
    from bivy.app.init import make_table, write_table

    table = make_table(where)
    if only_shown:
        click.echo(table.text, nl=False)
        return
    write_table(table)
    if quiet:
        return
    click.echo(f"{table.path}: what the image is to be like is written down there")
    starts = table.candidates.starts
    if len(starts) == 1:
        click.echo(f"started is {' '.join(starts[0].words)}: {starts[0].why}")
    elif starts:
        click.echo(f"there are {len(starts)} {table.candidates.what}: take the # off the line of the one that is meant")
    else:
        click.echo("nothing was found that is meant to be started: fill in the line that says so")
