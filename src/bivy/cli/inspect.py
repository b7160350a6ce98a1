"""``bivy inspect``: what is in an image, and what every byte is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bivy.cli.common import (
    fetching,
    json_option,
    output_option,
    platform_option,
    print_json,
    spell_size,
    volume_options,
)

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.oci.inspect import Report


@click.command()
@click.argument("reference", metavar="REF")
@output_option
@platform_option
@click.option(
    "--largest", type=click.IntRange(min=0), default=10, show_default=True, help="How many large files to name."
)
@json_option
@volume_options
def command(
    *,
    reference: str,
    output: Path,
    arch: str | None,
    largest: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Say what is in the image REF: layers, packages, sizes, the largest files.

    \b
    REF is a name in the layout (python:3.14-alpine), or one of
      oci:DIR:NAME   oci-archive:FILE[:NAME]   docker-archive:FILE[:NAME]   HOST/NAME:TAG
    """  # noqa: D301 - click's mark for text that keeps its lines
    from bivy.arch import find_arch
    from bivy.files import cache_folder
    from bivy.oci.inspect import inspect
    from bivy.oci.open import opened

    platform = find_arch(arch).platform if arch else ""
    watcher = fetching(quiet=quiet)
    with opened(reference, layout=output, platform=platform, cache=cache_folder(), progress=watcher) as image:
        report = inspect(image, largest=largest)
        if as_json:
            print_json(_as_json(image, report))
        else:
            _draw(image, report, quiet=quiet, verbose=verbose)


def _draw(image: Image, report: Report, *, quiet: bool, verbose: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if quiet:
        click.echo(report.digest)
        return
    console = Console(highlight=False)
    config = image.config
    console.print(f"[bold]{report.platform}[/]  {report.digest}", soft_wrap=True)
    console.print(
        f"{spell_size(report.size)} compressed, {spell_size(report.unpacked)} unpacked, created {config.created}"
    )
    facts = {
        "entrypoint": " ".join(config.entrypoint),
        "command": " ".join(config.cmd),
        "user": config.user,
        "directory": config.working_dir,
        "environment": "\n".join(config.env),
    }
    if verbose:
        facts |= dict(image.annotations)
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value:
            grid.add_row(f"[dim]{name}[/]", value)
    console.print(grid)
    layers = Table("layer", "compressed", "unpacked", "files", "made by", box=box.SIMPLE_HEAD, title_justify="left")
    for layer in report.layers:
        layers.add_row(
            layer.digest[7:19], spell_size(layer.size), spell_size(layer.unpacked), str(layer.files), layer.created_by
        )
    console.print(layers)
    if report.packages:
        packages = Table("package", "version", "compressed*", "unpacked", "licence", box=box.SIMPLE_HEAD)
        for package in report.packages:
            packages.add_row(
                package.name,
                package.version,
                spell_size(package.compressed),
                spell_size(package.unpacked),
                package.license,
            )
        packages.add_row("(no package's)", "", spell_size(report.unowned), "", "")
        console.print(packages)
        console.print("[dim]* a file's share of its layer, by size: an estimate[/]")
    if report.largest:
        files = Table("largest files", "bytes", box=box.SIMPLE_HEAD)
        for path, size in report.largest:
            files.add_row(f"/{path}", f"{size:,}")
        console.print(files)


def _as_json(image: Image, report: Report) -> dict[str, object]:
    config = image.config
    return {
        "digest": report.digest,
        "platform": report.platform,
        "size": report.size,
        "unpacked": report.unpacked,
        "created": config.created,
        "annotations": dict(image.annotations),
        "config": {
            "env": list(config.env), "entrypoint": list(config.entrypoint), "cmd": list(config.cmd),
            "user": config.user, "working_dir": config.working_dir, "labels": dict(config.labels),
        },
        "layers": [
            {"digest": layer.digest, "media_type": layer.media_type, "size": layer.size, "unpacked": layer.unpacked,
             "files": layer.files, "created_by": layer.created_by}
            for layer in report.layers
        ],
        "packages": [
            {"name": package.name, "version": package.version, "license": package.license, "unpacked": package.unpacked,
             "compressed_estimate": package.compressed}
            for package in report.packages
        ],
        "unowned_compressed_estimate": report.unowned,
        "largest": [{"path": f"/{path}", "size": size} for path, size in report.largest],
    }  # fmt: skip
