"""``bivy sbom``: a list of everything in an image."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import click

from bivy.cli.common import fetching, platform_option, volume_options

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.sbom.image import Format


@click.command()
@click.argument("reference", metavar="REF")
@click.option(
    "--format", "form", type=click.Choice(["cyclonedx", "spdx"]), default="cyclonedx", show_default=True,
    help="CycloneDX 1.6 or SPDX 2.3, both in JSON.",
)  # fmt: skip
@click.option(
    "-o", "--file", "file", type=click.Path(path_type=pathlib.Path, dir_okay=False), metavar="FILE",
    help="Write the list to FILE.  [default: standard output]",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=pathlib.Path, file_okay=False), default=pathlib.Path("dist"),
    show_default=True, metavar="DIR", help="The OCI layout that images are in.",
)  # fmt: skip
@click.option("--scan", is_flag=True, help="Read the image, even where a list is attached to it.")
@platform_option
@volume_options
def command(
    *,
    reference: str,
    form: Format,
    file: Path | None,
    output: Path,
    scan: bool,
    arch: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """List everything that is in the image REF: packages and Python distributions, with licences and sources.

    \b
    REF is a name in the layout (python:3.14-alpine), or one of
      oci:DIR:NAME   oci-archive:FILE[:NAME]   docker-archive:FILE[:NAME]   HOST/NAME:TAG

    The list that bivy attached to the image when it made it is taken where there is one; else the image is read. What
    cannot be read is said, and the rest listed.
    """  # noqa: D301 - click's mark for text that keeps its lines
    from bivy.arch import find_arch
    from bivy.files import cache_folder, write_whole
    from bivy.sbom.named import list_named

    platform = find_arch(arch).platform if arch else ""
    watcher = fetching(quiet=quiet)
    found = list_named(
        reference, form, layout=output, platform=platform, cache=cache_folder(), progress=watcher, scan=scan
    )  # fmt: skip
    for problem in found.problems:
        click.echo(f"{reference}: {problem}", err=True)
    if file:
        write_whole(file, found.content)
    else:
        click.echo(found.content, nl=False)
    if verbose:
        click.echo("it was attached to the image" if found.attached else "it was read from the image", err=True)
