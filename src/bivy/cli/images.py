"""``bivy images``: what is in a layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bivy.cli.common import json_option, output_option, print_json, spell_size, volume_options

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@output_option
@json_option
@volume_options
def command(*, output: Path, as_json: bool, quiet: bool, verbose: bool) -> None:
    """List the images in a layout, dist/ unless told."""
    from bivy.oci.layout import list_images, open_manifest

    listed = list_images(output)
    sizes = {image.digest: open_manifest(output, image.digest).size for image in listed}
    if as_json:
        print_json([
            {"name": image.name, "platform": image.platform, "digest": image.digest, "size": sizes[image.digest]}
            for image in listed
        ])  # fmt: skip
        return
    if quiet:
        for digest in sizes:
            click.echo(digest)
        return
    width = max([len(image.name) for image in listed], default=0)
    for image in listed:
        digest = image.digest if verbose else image.digest[:19]
        name, size = image.name or "(no name)", spell_size(sizes[image.digest])
        click.echo(f"{name:<{width}}  {image.platform:<14}  {digest}  {size:>9}")
    if not listed:
        click.echo(f"{output} has no images")
