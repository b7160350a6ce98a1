"""``bivy sbom``: a list of everything in an image."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import click

from bivy.cli.common import fetching, platform_option, volume_options

if TYPE_CHECKING:
    from pathlib import Path


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
@platform_option
@volume_options
def command(
    *, reference: str, form: str, file: Path | None, output: Path, arch: str | None, quiet: bool, verbose: bool
) -> None:
    """List everything that is in the image REF: packages and Python distributions, with licences and sources.

    \b
    REF is a name in the layout (python:3.14-alpine), or one of
      oci:DIR:NAME   oci-archive:FILE[:NAME]   docker-archive:FILE[:NAME]   HOST/NAME:TAG

    What cannot be read is said, and the rest listed.
    """  # noqa: D301 - click's mark for text that keeps its lines
    from bivy.arch import find_arch
    from bivy.files import cache_folder, write_whole
    from bivy.oci.open import opened
    from bivy.sbom.cyclonedx import as_cyclonedx
    from bivy.sbom.image import list_image
    from bivy.sbom.spdx import as_spdx

    platform = find_arch(arch).platform if arch else ""
    watcher = fetching(quiet=quiet)
    with opened(reference, layout=output, platform=platform, cache=cache_folder(), progress=watcher) as image:
        listing = list_image(image, reference)
    for problem in listing.problems:
        click.echo(f"{reference}: {problem}", err=True)
    content = as_spdx(listing) if form == "spdx" else as_cyclonedx(listing)
    if file:
        write_whole(file, content)
        if verbose:
            click.echo(f"{len(listing.components)} components in {file}", err=True)
    else:
        click.echo(content, nl=False)
