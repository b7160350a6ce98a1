"""``python -m bivy.verify.suite REF [TEST…]``: CPython's own test suite in an image."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("tests", nargs=-1, metavar="[TEST]...")
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), default=Path("dist"), metavar="DIR",
              show_default=True, help="The OCI layout that images are in.")  # fmt: skip
@click.option("--jobs", "-j", type=click.IntRange(1), default=2, show_default=True, help="Files that run at once.")
@click.option("--resume", is_flag=True, help="Go on where an earlier run in this image ended.")
@click.option("--record", is_flag=True, help="Write the figures and the page docs/suite.md anew.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(
    context: click.Context,
    *,
    reference: str,
    tests: tuple[str, ...],
    output: Path,
    jobs: int,
    resume: bool,
    record: bool,
    as_json: bool,
) -> None:
    """Run CPython's tests in the image REF; exits 1 where one fails that is not known to."""
    import sys

    import msgspec

    from bivy.arch import build_machine
    from bivy.errors import UsageError
    from bivy.files import cache_folder
    from bivy.oci.open import opened
    from bivy.progress import Lines, Silent
    from bivy.verify.suite.page import write_figures
    from bivy.verify.suite.run import run_suite

    if record and tests:
        raise UsageError("figures are of the whole suite", hint="leave out the tests, or --record")
    cache = cache_folder()
    progress = Silent() if as_json else Lines(sys.stderr)
    platform = build_machine().platform
    with opened(reference, layout=output, platform=platform, cache=cache, progress=progress) as image:
        report = run_suite(
            image, where=reference, cache=cache, tests=tests, jobs=jobs, resume=resume, progress=progress
        )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        for line in report.findings():
            click.echo(line)
        for name in report.passing:
            click.echo(f"{name} is known to fail, and passed: take it off the list")
        for file in report.files:
            if file.again:
                click.echo(f"{file.name}: passed when run again alone: {', '.join(file.again)}")
        click.echo(report.summary())
    if record and not report.interrupted:
        write_figures(report)
    context.exit(0 if report.good else 1)


if __name__ == "__main__":
    from bivy.errors import BivyError

    try:
        command()
    except BivyError as fault:
        click.echo(f"error: {fault}" + (f"\n  hint: {fault.hint}" if fault.hint else ""), err=True)
        raise SystemExit(fault.exit_status) from None
