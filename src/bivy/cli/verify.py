"""``bivy verify``: what an image must pass before anyone is asked to trust it."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import click

from bivy.cli.common import fetching, json_option, output_option, platform_option, print_json, volume_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.verify.check import Check
    from bivy.verify.report import Outcome


@click.command()
@click.argument("reference", metavar="REF", required=False)
@output_option
@platform_option
@click.option("--only", multiple=True, metavar="NAME", help="Make this check, or those of this group, and no others.")
@click.option("--without", multiple=True, metavar="NAME=REASON", help="Leave a check out; the reason is in the report.")
@click.option(
    "--checks", "folders", multiple=True, metavar="DIR",
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    help="A folder of checks of your own, beside bivy's.",
)  # fmt: skip
@click.option("--suite", is_flag=True, help="Run CPython's own tests in it too; that takes some ten minutes.")
@click.option(
    "--jobs", "-j", type=click.IntRange(1), default=2, show_default=True, metavar="N",
    help="Files of the suite that run at once.",
)  # fmt: skip
@click.option("--list", "as_list", is_flag=True, help="List the checks, and make none.")
@click.option(
    "--junit", type=click.Path(path_type=pathlib.Path, dir_okay=False), metavar="FILE",
    help="Write the report as JUnit's XML, for CI systems.",
)  # fmt: skip
@json_option
@volume_options
def command(
    *,
    reference: str | None,
    output: Path,
    arch: str | None,
    only: tuple[str, ...],
    without: tuple[str, ...],
    folders: tuple[Path, ...],
    suite: bool,
    jobs: int,
    as_list: bool,
    junit: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Check that the image REF is one to trust: the official images' checks, and bivy's own.

    \b
    REF is a name in the layout (python:3.14-alpine), or one of
      oci:DIR:NAME   oci-archive:FILE[:NAME]   docker-archive:FILE[:NAME]   HOST/NAME:TAG

    The exit status is 1 where a check fails. The last report of each image is kept, for its page.
    """  # noqa: D301 - click's mark for text that keeps its lines
    from bivy.verify.check import chosen, own_checks, with_folder

    checks = own_checks()
    for folder in folders:
        checks = with_folder(checks, folder)
    reasons = _reasons(without)
    checks = chosen(checks, only, reasons)
    if as_list:
        _list(checks, as_json=as_json, verbose=verbose)
        return
    if reference is None:
        raise click.UsageError("Missing argument 'REF': the image that is to be checked.")
    from bivy.arch import find_arch
    from bivy.files import cache_folder, write_whole
    from bivy.oci.open import opened
    from bivy.verify.record import keep
    from bivy.verify.verify import verify

    platform = find_arch(arch).platform if arch else ""
    watcher, cache = fetching(quiet=quiet), cache_folder()
    with opened(reference, layout=output, platform=platform, cache=cache, progress=watcher) as image:
        more, tests = _suite(image, reference, cache, jobs, watcher) if suite else ((), None)
        report = verify(image, checks, where=reference, cache=cache, without=reasons, more=more, progress=watcher)
    keep(report, cache)
    if junit:
        from bivy.verify.render import as_junit

        write_whole(junit, as_junit(report))
    if as_json:
        from bivy.verify.render import as_json as spell_json

        print_json(spell_json(report) | ({"suite": tests} if suite else {}))
    else:
        from rich.console import Console

        from bivy.cli.verify_table import draw

        draw(report, Console(highlight=False), quiet=quiet, verbose=verbose)
    if not report.passed:
        raise click.exceptions.Exit(1)


def _suite(
    image: Image, where: str, cache: Path, jobs: int, watcher: Progress
) -> tuple[tuple[Outcome, ...], dict[str, Any] | None]:
    """Run CPython's own tests; returns what came of them as an outcome, and file by file."""
    from bivy.errors import BivyError
    from bivy.verify.suite.outcome import outcome_of_suite, suite_as_json, suite_skipped
    from bivy.verify.suite.run import run_suite

    try:
        report = run_suite(image, where=where, cache=cache, jobs=jobs, progress=watcher)
    except BivyError as fault:
        return (suite_skipped(str(fault)),), None
    return (outcome_of_suite(report),), suite_as_json(report)


def _reasons(told: Sequence[str]) -> dict[str, str]:
    """Return what is left out and why, by the check's name."""
    pairs = (each.partition("=") for each in told)
    return {name.strip(): reason.strip() for name, _, reason in pairs}


def _list(checks: Sequence[Check], *, as_json: bool, verbose: bool) -> None:
    if as_json:
        from bivy.verify.render import checks_as_json

        print_json(checks_as_json(checks))
        return
    from rich.console import Console

    from bivy.cli.verify_table import draw_list

    draw_list(checks, Console(highlight=False), verbose=verbose)
