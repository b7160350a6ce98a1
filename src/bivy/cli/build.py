"""``bivy build``: the base image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from bivy.cli.common import json_option, output_option, print_json, spell_size, volume_options, watching

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ("oci", "oci-archive", "docker-archive")


@click.command()
@click.argument("version", default="", metavar="[VERSION]")
@click.option(
    "--arch",
    "--platform",
    "arch",
    metavar="ARCH",
    help="By Alpine's name or OCI's: aarch64, linux/arm64.  [default: this machine's]",
)
@output_option
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    help="Also write an archive beside the layout: DIR/python-3.14-alpine-amd64.oci.tar.",
)
@click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd"]),
    default="gzip",
    show_default=True,
    help="How layers are compressed.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    default=lambda: len(os.sched_getaffinity(0)),
    help="How many processes work at once.  [default: one a core]",
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    help="Where else sources may be had; may be given several times (BIVY_MIRRORS, separated by spaces).",
)
@json_option
@volume_options
def command(
    *,
    version: str,
    arch: str | None,
    output: Path,
    formats: tuple[str, ...],
    compression: str,
    jobs: int,
    mirrors: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Build python:VERSION-alpine from verified sources into an OCI layout.

    VERSION is a version of Python or the beginning of one, 3.14 unless told. What has been built before, and has not
    changed, is not built again.
    """
    from bivy.arch import build_machine, find_arch
    from bivy.compose import Request, Surroundings, make_image
    from bivy.files import cache_folder
    from bivy.oci.archive import write_archive
    from bivy.source.places import mirrors_told

    request = Request(
        version, find_arch(arch) if arch else build_machine(), "zstd" if compression == "zstd" else "gzip"
    )
    around = Surroundings(cache_folder(), output, jobs, mirrors_told(mirrors))
    with watching(quiet=quiet, verbose=verbose) as progress:
        made = make_image(request, around, progress)
        stem = made.names[0].replace(":", "-") + "-" + request.arch.platform.removeprefix("linux/").replace("/", "-")
        archives = []
        for form in formats:
            if form != "oci":
                path = output / f"{stem}.{form.removesuffix('-archive')}.tar"
                write_archive(made.image, path, made.names[0], form)
                archives.append(path)
    sizes = [layer.size for layer in made.image.layers]
    if as_json:
        print_json({
            "names": list(made.names), "platform": request.arch.platform, "digest": made.image.digest,
            "size": sum(sizes), "layers": [{"digest": layer.digest, "size": layer.size} for layer in made.image.layers],
            "layout": str(output), "archives": [str(path) for path in archives], "unchanged": made.unchanged,
        })  # fmt: skip
        return
    click.echo(
        f"{made.names[0]}  {request.arch.platform}  {spell_size(sum(sizes))} compressed"
        + ("  (unchanged)" if made.unchanged else "")
    )
    click.echo(made.image.digest)
    where = [str(output), *(str(path) for path in archives)]
    click.echo(f"in {', '.join(where)}; also named {', '.join(made.names[1:])}")
