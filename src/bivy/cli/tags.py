"""``bivy tags``: which image has which tag, and what is built of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bivy.cli.common import json_option, output_option, print_json, spell_size, volume_options

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.tags.built import Listing, Row


@click.command()
@output_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "library", "bake"]),
    default="table",
    show_default=True,
    help="library: the official images' library file; bake: for docker buildx bake.",
)
@click.option(
    "--maintainer",
    "maintainers",
    multiple=True,
    metavar="WHO",
    help="library: 'Name <email> (@github)'; may be given several times.",
)
@click.option("--git-repo", default="", metavar="URL", help="library: the Git repository that has the layouts.")
@click.option("--git-commit", default="", metavar="COMMIT", help="library: the commit in it.")
@click.option("--git-fetch", default="", metavar="REF", help="library: where the commit is not on the default branch.")
@click.option("--directory", default="", metavar="DIR", help="library: the folder in it that the layouts are in.")
@click.option("--name", default="", metavar="HOST/NAME", help="bake: what is before the tags.  [default: the image's]")
@json_option
@volume_options
def command(
    *,
    output: Path,
    form: str,
    maintainers: tuple[str, ...],
    git_repo: str,
    git_commit: str,
    git_fetch: str,
    directory: str,
    name: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """List the tags of every image, and for which architectures it is built.

    The list is of what bivy builds and of what is in the layout, dist/ unless told. bivy build --all and bivy push
    --all move tags by the same list. The exit status is 1 where something in the layout could not be read.
    """
    from bivy.images.definition import load_image
    from bivy.tags import render
    from bivy.tags.built import known_versions, list_tags
    from bivy.tags.push import repository_of

    for flag, value in (
        ("--maintainer", maintainers), ("--git-repo", git_repo), ("--git-commit", git_commit),
        ("--git-fetch", git_fetch), ("--directory", directory),
    ):  # fmt: skip
        if value and form != "library":
            raise click.UsageError(f"{flag} goes with --format library")
    if name and form != "bake":
        raise click.UsageError("--name goes with --format bake")
    definition = load_image("python")
    repository = repository_of(name) if name else definition.name
    listing = list_tags(output, definition, known_versions(definition))
    match "json" if as_json else form:
        case "json":
            print_json(render.as_json(listing))
        case "library":
            source = render.Source(maintainers, git_repo, git_commit, git_fetch, directory)
            click.echo(render.as_library(listing.rows, source), nl=False)
        case "bake":
            print_json(render.as_bake(listing.rows, output, repository))
        case _:
            _draw(listing, quiet=quiet, verbose=verbose)
    say_problems(listing)
    if listing.problems:
        raise click.exceptions.Exit(1)


def say_problems(listing: Listing) -> None:
    """Say what in a layout could not be read, on standard error."""
    for problem in listing.problems:
        click.echo(f"bivy: {problem.subject}: {problem.message}", err=True)
        if problem.hint:
            click.echo(f"      {problem.hint}", err=True)


def _draw(listing: Listing, *, quiet: bool, verbose: bool) -> None:
    rows = [(", ".join(row.tags), _architectures(row)) for row in listing.rows]
    width = max((len(tags) for tags, _ in rows), default=0)
    if rows and not quiet:
        click.echo(f"{'tags':<{width}}  architectures")
    for (tags, architectures), row in zip(rows, listing.rows, strict=True):
        click.echo(f"{tags:<{width}}  {architectures}")
        if verbose:
            for built in row.built:
                click.echo(f"    {built.platform:<14}  {built.digest}  {spell_size(built.size):>9}")


def _architectures(row: Row) -> str:
    names = [built.platform.removeprefix("linux/") for built in row.built]
    return ", ".join(names) or f"not built: bivy build {row.edition.version}"
