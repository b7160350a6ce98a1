"""``bivy load``: an image into docker or podman."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bivy.cli.common import json_option, output_option, platform_option, print_json, volume_options, watching

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.oci.load import Engine


@click.command()
@click.argument("reference", metavar="REF")
@click.option(
    "--into",
    type=click.Choice(["docker", "podman"]),
    default=None,
    help="Which of them; without it, the first that is installed and answers.",
)
@click.option("--name", metavar="NAME", help="What it is called there; without it, as REF has it.")
@platform_option
@output_option
@json_option
@volume_options
def command(
    *,
    reference: str,
    into: Engine | None,
    name: str | None,
    arch: str | None,
    output: Path,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Load the image REF into docker or podman."""
    from bivy.arch import build_machine, find_arch
    from bivy.files import cache_folder
    from bivy.oci.load import load
    from bivy.oci.open import opened
    from bivy.oci.reference import loaded_name

    called = loaded_name(reference, output) if name is None else name
    platform = (find_arch(arch) if arch else build_machine()).platform
    with (
        watching(quiet=quiet, verbose=verbose) as progress,
        opened(reference, layout=output, platform=platform, cache=cache_folder(), progress=progress) as image,
    ):
        loaded = load(image, called, into=into, progress=progress)
    if as_json:
        print_json({
            "engine": loaded.engine, "name": loaded.name, "id": loaded.image_id, "digest": image.digest,
        })  # fmt: skip
        return
    click.echo(loaded.name or loaded.image_id)
