"""``bivy page``: the documentation page of an image, made from the image."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import click

from bivy.cli.common import fetching, json_option, platform_option, print_json, volume_options

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.page.folder import Difference
    from bivy.page.make import Page


@click.command()
@click.argument("reference", metavar="REF")
@click.option(
    "--output", "-o", "folder", type=click.Path(path_type=pathlib.Path), default=pathlib.Path("page"),
    show_default=True, metavar="FOLDER", help="The page's folder; its page.toml says who publishes the image.",
)  # fmt: skip
@click.option(
    "--html", type=click.Path(path_type=pathlib.Path, dir_okay=False), metavar="FILE",
    help="Write the same as one page of HTML, with a picture of where the bytes are.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Write nothing; fail where the page in FOLDER is out of date.")
@click.option("--name", default="", metavar="NAME:TAG", help="What the page calls the image.  [default: REF's name]")
@click.option(
    "--layout", type=click.Path(path_type=pathlib.Path, file_okay=False), default=pathlib.Path("dist"),
    show_default=True, metavar="DIR", help="The OCI layout that images are in.",
)  # fmt: skip
@platform_option
@json_option
@volume_options
def command(
    *,
    reference: str,
    folder: Path,
    html: Path | None,
    check: bool,
    name: str,
    layout: Path,
    arch: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write the documentation page of the image REF, in the form of the official images' documentation.

    \b
    REF is a name in the layout (python:3.14-alpine), or one of
      oci:DIR:NAME   oci-archive:FILE[:NAME]   docker-archive:FILE[:NAME]   HOST/NAME:TAG

    The exit status is 1 where --check finds that the page is out of date; -v shows the lines that differ.
    """  # noqa: D301 - click's mark for text that keeps its lines
    from bivy.arch import find_arch
    from bivy.files import cache_folder
    from bivy.page.make import Question, make_page, out_of_date, write_page

    question = Question(reference, layout, folder, find_arch(arch).platform if arch else "", name)
    page = make_page(question, cache=cache_folder(), looking=check, progress=fetching(quiet=quiet))
    if check:
        found = [*out_of_date(page, folder), *(_html_out_of_date(page, html) if html else ())]
        _say_differences(page, found, folder, as_json=as_json, quiet=quiet, verbose=verbose)
        raise click.exceptions.Exit(1 if found else 0)
    changed = list(write_page(page, folder))
    if html:
        _write_html(page, html)
    if as_json:
        print_json({
            "image": page.facts.reference, "digest": page.facts.digest, "platform": page.facts.platform,
            "folder": str(folder), "files": list(page.files), "changed": changed, "html": str(html) if html else None,
        })  # fmt: skip
        return
    click.echo(f"{page.facts.reference}  {page.facts.digest}")
    click.echo(f"in {folder}: {', '.join(changed) if changed else 'nothing has changed'}")
    if html:
        click.echo(f"as one page: {html}")
    if page.gaps and not quiet:
        click.echo(f"{folder / 'page.toml'} does not say: {', '.join(page.gaps)} (docs/page.md)", err=True)


def _write_html(page: Page, path: Path) -> None:
    from bivy.files import write_whole
    from bivy.page.html import as_html

    write_whole(path, as_html(page.facts, page.files))


def _html_out_of_date(page: Page, path: Path) -> tuple[Difference, ...]:
    from bivy.page.folder import compare
    from bivy.page.html import as_html

    return compare({path.name: as_html(page.facts, page.files)}, path.parent)


def _say_differences(
    page: Page, found: list[Difference], folder: Path, *, as_json: bool, quiet: bool, verbose: bool
) -> None:
    if as_json:
        print_json({
            "image": page.facts.reference, "digest": page.facts.digest, "current": not found,
            "differences": [{"file": one.name, "state": one.state, "lines": list(one.lines)} for one in found],
        })  # fmt: skip
        return
    if not found:
        click.echo(f"the page in {folder} is up to date with {page.facts.reference}")
        return
    for one in found:
        click.echo(f"{one.state:<9} {one.name}")
        if verbose:
            click.echo("\n".join(one.lines))
    if not quiet:
        click.echo(f"the page in {folder} is out of date: bivy page writes it anew", err=True)
