"""``bivy build``: the base image."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

import click

from bivy.cli.common import json_option, output_option, print_json, spell_size, volume_options, watching

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bivy.compose.request import AlpineRequest, Request
    from bivy.tags.rules import Edition

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
@click.option(
    "--cpu",
    metavar="CPU",
    help="Compile for this machine and newer ones: x86-64-v3, neoverse-n1. The image's names end in it.  "
    "[default: every machine that Alpine runs on]",
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
    help="Where else sources may be had, with --alpine where its packages are; may be given several times "
    "(BIVY_MIRRORS for sources, separated by spaces).",
)
@click.option("--alpine", metavar="RELEASE", help="Take everything but Python from Alpine's packages: 3.24, edge.")
@click.option(
    "--keys",
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    metavar="DIR",
    help="The public keys to trust.  [default: Alpine's]",
)
@click.option(
    "--lock",
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    metavar="FILE",
    help="Obey the versions in FILE; write them there where it does not exist.",
)
@click.option(
    "--base-rootfs",
    type=click.Path(path_type=pathlib.Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Start from an archive of Alpine's root filesystem.",
)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Build every version, and give each its tags (bivy tags) once it has passed bivy verify.",
)
@json_option
@volume_options
def command(
    *,
    version: str,
    every: bool,
    arch: str | None,
    cpu: str | None,
    output: Path,
    formats: tuple[str, ...],
    compression: str,
    jobs: int,
    mirrors: tuple[str, ...],
    alpine: str | None,
    keys: Path | None,
    lock: Path | None,
    base_rootfs: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Build python:VERSION-alpine from verified sources into an OCI layout.

    VERSION is a version of Python or the beginning of one, 3.14 unless told. What has been built before, and has not
    changed, is not built again. With --alpine, all but Python comes from Alpine's repositories, and the image is
    python:VERSION-alpineRELEASE.

    With --all every version is built, and given all the tags of bivy tags once it has passed bivy verify. Where one
    does not pass, its tags stay where they are, the others are still done, and the exit status is 1.
    """
    from bivy.arch import build_machine, find_arch, for_cpu
    from bivy.compose.make import make_image
    from bivy.compose.request import Request, Surroundings
    from bivy.files import cache_folder
    from bivy.oci.archive import write_archive
    from bivy.source.places import mirrors_told

    target = find_arch(arch) if arch else build_machine()
    request = Request(
        version,
        for_cpu(target, cpu) if cpu else target,
        "zstd" if compression == "zstd" else "gzip",
        alpine=_alpine(alpine, mirrors, keys, lock, base_rootfs),
        cpu=cpu or "",
    )
    around = Surroundings(cache_folder(), output, jobs, mirrors_told(() if alpine else mirrors))
    if every:
        for flag, value in (("VERSION", version), ("--format", formats), ("--lock", lock), ("--cpu", cpu)):
            if value:
                raise click.UsageError(f"{flag} goes with one image, not with --all")
        from bivy.cli.moved import show
        from bivy.images.definition import load_image
        from bivy.tags.build import build_all
        from bivy.tags.built import known_versions

        known = known_versions(load_image(request.name))
        with watching(quiet=quiet, verbose=verbose) as progress:
            results = build_all(_editions(request, known), known, around, progress)
        show(results, as_json=as_json)
        return
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
            "over_budget": made.over,
        })  # fmt: skip
        return
    click.echo(
        f"{made.names[0]}  {request.arch.platform}  {spell_size(sum(sizes))} compressed"
        + ("  (unchanged)" if made.unchanged else "")
    )
    click.echo(made.image.digest)
    if made.over:
        click.echo(f"that is {made.over:,} bytes more than its budget (bivy inspect says what they are for)", err=True)
    where = [str(output), *(str(path) for path in archives)]
    click.echo(f"in {', '.join(where)}; also named {', '.join(made.names[1:])}")


def _editions(request: Request, known: Sequence[str]) -> dict[Edition, Request]:
    """Return a request for every version, of the kind and for the architecture of the one that was told."""
    from dataclasses import replace

    from bivy.tags.built import candidate
    from bivy.tags.rules import Edition

    editions = [Edition(version, request.alpine.release.name if request.alpine else "") for version in known]
    return {
        edition: replace(request, version=edition.version, candidate=candidate(request.name, edition))
        for edition in editions
    }


def _alpine(
    release: str | None, mirrors: tuple[str, ...], keys: Path | None, lock: Path | None, base_rootfs: Path | None
) -> AlpineRequest | None:
    from bivy.alpine import find_release
    from bivy.compose.request import AlpineRequest

    if release is not None:
        return AlpineRequest(find_release(release), mirrors, keys, lock, base_rootfs)
    for flag, value in (("--keys", keys), ("--lock", lock), ("--base-rootfs", base_rootfs)):
        if value is not None:
            raise click.UsageError(f"{flag} goes with --alpine RELEASE")
    return None
