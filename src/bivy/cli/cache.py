"""``bivy cache``: where it is, how large, and less of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from bivy.cli.common import json_option, print_json, spell_size, volume_options
from bivy.files import cache_folder, remove_folder

if TYPE_CHECKING:
    from pathlib import Path

# What is in the cache, and what having to make it again costs.
PARTS = {
    "sources": "verified source archives",
    "packages": "packages that were built",
    "images": "which image came from which inputs",
    "layers": "layers, compressed",
    "app": "layers, bytecode and locks of projects",
    "alpine": "indexes and packages of Alpine's",
    "check": "what indexes and source archives say",
    "blobs": "what images in registries are made of",
    "registries": "what is known to be in which registry",
    "wheels": "wheels that were compiled",
    "apart": "wheels that were compiled of folders and repositories",
    "git": "repositories that something is required from",
    "roots": "images unpacked for bivy run",
    "runtime": "the compiler's runtime for each target",
    "logs": "logs of builds",
    "work": "builds under way, or left by one that was killed",
    "locks": "who is at work on what",
}


@click.group(invoke_without_command=True)
@json_option
@volume_options
@click.pass_context
def command(context: click.Context, *, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Say where the cache is and how large; `bivy cache prune` empties it."""
    if context.invoked_subcommand:
        return
    folder = cache_folder()
    sizes = {part: _size(folder / part) for part in PARTS}
    if as_json:
        print_json({"folder": str(folder), "size": sum(sizes.values()), "parts": sizes})
        return
    click.echo(str(folder))
    if quiet:
        return
    for part, size in sizes.items():
        if size:
            click.echo(f"  {part:<10}{spell_size(size):>10}  {PARTS[part]}")
    click.echo(f"  {'in all':<10}{spell_size(sum(sizes.values())):>10}")


@command.command()
@click.option("--all", "everything", is_flag=True, help="Remove the sources and the compiler's runtime too.")
@volume_options
def prune(*, everything: bool, quiet: bool, verbose: bool) -> None:
    """Remove what can be made again: packages, unpacked images, logs.

    What a build is at work on is kept.
    """
    folder = cache_folder()
    kept = () if everything else ("sources", "runtime")
    freed = 0
    for part in PARTS:
        if part in (*kept, "work", "locks"):
            continue
        size = _size(folder / part)
        remove_folder(folder / part)
        freed += size
        if verbose and size:
            click.echo(f"removed {folder / part}", err=True)
    if not quiet:
        click.echo(f"freed {spell_size(freed)} in {folder}")


def _size(folder: Path) -> int:
    """Add up the files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - many files, quickly
            except OSError:
                continue
    return total
