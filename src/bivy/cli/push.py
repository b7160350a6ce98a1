"""``bivy push``: an image into a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bivy.cli.common import (
    json_option,
    output_option,
    platform_option,
    print_json,
    spell_size,
    volume_options,
    watching,
)

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.oci.registry.push import Pushed


@click.command()
@click.argument("arguments", metavar="REF DESTINATION", nargs=-1)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Push every image in the layout to DESTINATION, HOST/NAME, with its tags (bivy tags), once it has passed "
    "bivy verify.",
)
@platform_option
@output_option
@click.option(
    "--jobs",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    metavar="N",
    help="How many blobs to send at once.",
)
@json_option
@volume_options
def command(
    *,
    arguments: tuple[str, ...],
    every: bool,
    arch: str | None,
    output: Path,
    jobs: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Push the image REF to a registry, as DESTINATION: HOST/NAME:TAG.

    Where REF is there for several platforms all of them are pushed, unless --platform names one, with the artifacts
    that are attached to them. What the registry has already is not sent again. Credentials are those of docker login
    and podman login.

    With --all there is no REF, and DESTINATION has no tag: every image of bivy tags is pushed with all its tags, once
    it has passed bivy verify for all its architectures. Where one does not pass, its tags stay where they are, the
    others are still done, and the exit status is 1.
    """
    if every:
        if arch:
            raise click.UsageError("--platform goes with one image, not with --all")
        _push_all(_told(arguments, "DESTINATION")[0], output, jobs, as_json=as_json, quiet=quiet, verbose=verbose)
        return
    reference, destination = _told(arguments, "REF", "DESTINATION")
    from bivy.arch import find_arch
    from bivy.files import cache_folder
    from bivy.oci.open import opened_node
    from bivy.oci.registry.name import parse_name
    from bivy.oci.registry.push import push

    name = parse_name(destination)
    platform = find_arch(arch).platform if arch else ""
    cache = cache_folder()
    with (
        watching(quiet=quiet, verbose=verbose) as progress,
        opened_node(reference, layout=output, platform=platform, cache=cache, progress=progress) as node,
    ):
        pushed = push(node, name, cache=cache, progress=progress, jobs=jobs)
    if as_json:
        print_json(_as_json(pushed))
        return
    click.echo(f"{pushed.name.host}/{pushed.name.repository}@{pushed.digest}")
    if not quiet:
        for_platforms = f" for {', '.join(pushed.platforms)}" if pushed.platforms else ""
        click.echo(f"pushed {pushed.name}{for_platforms}, {_spell(pushed)}", err=True)


def _told(arguments: tuple[str, ...], *names: str) -> tuple[str, ...]:
    """Return the arguments, which have to be as many as their names."""
    if len(arguments) < len(names):
        raise click.UsageError(f"Missing argument '{names[len(arguments)]}'.")
    if len(arguments) > len(names):
        raise click.UsageError(f"Got unexpected extra argument ({arguments[len(names)]})")
    return arguments


def _push_all(destination: str, output: Path, jobs: int, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    from bivy.cli.moved import show
    from bivy.cli.tags import say_problems
    from bivy.files import cache_folder
    from bivy.images.definition import load_image
    from bivy.tags.built import built_rows, known_versions, list_tags
    from bivy.tags.push import push_all, repository_of

    repository, definition = repository_of(destination), load_image("python")
    listing = list_tags(output, definition, known_versions(definition))
    say_problems(listing)
    rows = built_rows(listing.rows)
    with watching(quiet=quiet, verbose=verbose) as progress:
        moved = push_all(rows, output, repository, cache=cache_folder(), progress=progress, jobs=jobs)
    show(moved, as_json=as_json, problems=bool(listing.problems))


def _spell(pushed: Pushed) -> str:
    from bivy.oci.registry.upload import Sent

    counts = {how: sum(each is how for each in pushed.blobs.values()) for how in Sent}
    parts = [
        f"{counts[Sent.SENT]} of {len(pushed.blobs)} blobs sent ({spell_size(pushed.sent)})",
        f"{counts[Sent.MOUNTED]} taken over from another repository" * bool(counts[Sent.MOUNTED]),
    ]
    return ", ".join(filter(None, parts))


def _as_json(pushed: Pushed) -> dict[str, object]:
    return {
        "name": str(pushed.name),
        "digest": pushed.digest,
        "platforms": list(pushed.platforms),
        "blobs": {digest: how.name.lower() for digest, how in pushed.blobs.items()},
        "sent": pushed.sent,
        "referrers": list(pushed.referrers),
    }
