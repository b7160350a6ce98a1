"""``bivy check``: will it run on musl, answered before anything is built."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import click

from bivy.cli.common import json_option, output_option, print_json, volume_options, watching

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.musl.report import Report


@click.command()
@click.argument("what", nargs=-1, metavar="[WHAT…]")
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="VERSION",
    help="For which Python; several: for each.  [default: the image's]",
)
@click.option(
    "--arch", "--platform", "arches", multiple=True, metavar="ARCH",
    help="For which architecture, by Alpine's name or OCI's, or all; several: for each.  [default: this machine's]",
)  # fmt: skip
@click.option("--musl", default="", metavar="VERSION", help="For which musl.  [default: the image's]")
@click.option("--extra", "extras", multiple=True, metavar="NAME", help="Of a project: with this optional part.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="Of a project: with this dependency group.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out such code: tests, docs/*.py.")
@click.option(
    "--find-links", "wheels", multiple=True, metavar="DIR",
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    help="A folder of wheels that were compiled for musl.",
)  # fmt: skip
@click.option("--index", default="", metavar="URL", help="The package index.  [default: as pip and uv are set up]")
@click.option("--deep", is_flag=True, help="Read the binaries in the wheels that would be installed, too.")
@click.option("--offline", is_flag=True, help="Ask no index; use what is cached.")
@click.option("--strict", is_flag=True, help="Count warnings, and what has to be compiled, as a no.")
@click.option(
    "--html", type=click.Path(path_type=pathlib.Path, dir_okay=False), metavar="FILE",
    help="Write the report as one page.",
)  # fmt: skip
@click.option(
    "--sarif", type=click.Path(path_type=pathlib.Path, dir_okay=False), metavar="FILE",
    help="Write the report for code scanning (SARIF 2.1.0).",
)  # fmt: skip
@output_option
@json_option
@volume_options
def command(
    *,
    what: tuple[str, ...],
    pythons: tuple[str, ...],
    arches: tuple[str, ...],
    musl: str,
    extras: tuple[str, ...],
    groups: tuple[str, ...],
    exclude: tuple[str, ...],
    wheels: tuple[Path, ...],
    index: str,
    deep: bool,
    offline: bool,
    strict: bool,
    html: Path | None,
    sarif: Path | None,
    output: Path,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Say whether WHAT will run on musl: in seconds, before anything is built.

    \b
    WHAT is, in any number and mixture (the project in this folder unless told),
      a requirement (numpy>=2), a requirements file, uv.lock or pylock.toml,
      a project's folder, Python files,
      a wheel, a source archive, a folder of shared libraries,
      an installed environment, an image (python:3.14-alpine)

    The exit status is 0 for yes (what has to be compiled first included), 1 for no, or where it could not be found out.
    """  # noqa: D301 - click's mark for text that keeps its lines
    from bivy.files import cache_folder
    from bivy.musl.check import Question, check
    from bivy.musl.target import make_targets

    question = Question(
        what or (".",), make_targets(pythons, arches, musl), extras, groups, exclude, wheels, index,
        deep=deep, offline=offline, layout=output,
    )  # fmt: skip
    with watching(quiet=quiet, verbose=verbose) as progress:
        report = check(question, cache=cache_folder(), progress=progress)
    if html:
        _write_page(report, html)
    if sarif:
        _write_sarif(report, sarif)
    if as_json:
        from bivy.musl.render.json import as_json as spell_json

        print_json(spell_json(report))
    elif quiet:
        from bivy.musl.render.summary import sentence

        click.echo(sentence(report))
    else:
        from rich.console import Console

        from bivy.cli.check_table import draw

        draw(report, Console(highlight=False), verbose=verbose)
    if report.is_no(strict=strict):
        raise click.exceptions.Exit(1)


def _write_page(report: Report, path: Path) -> None:
    from bivy.files import write_whole
    from bivy.musl.render.html import as_html

    write_whole(path, as_html(report).encode())


def _write_sarif(report: Report, path: Path) -> None:
    import json

    from bivy.files import write_whole
    from bivy.musl.render.sarif import as_sarif, read_manifests

    log = as_sarif(report, root=pathlib.Path.cwd(), manifests=read_manifests(report.asked))
    write_whole(path, json.dumps(log, indent=2, ensure_ascii=False).encode() + b"\n")
