"""``bivy wheel``: compile what has no wheel for musl, once, outside the image."""

from __future__ import annotations

import contextlib
import os
import pathlib
from typing import TYPE_CHECKING

import click

from bivy.cli.common import json_option, print_json, spell_size, volume_options, watching

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bivy.wheels import Built

_FOLDER = click.Path(path_type=pathlib.Path, file_okay=False)
_PRESENT = click.Path(path_type=pathlib.Path, file_okay=False, exists=True)


@click.command()
@click.argument("requirements", nargs=-1, required=True, metavar="REQUIREMENT...")
@click.option("--python", metavar="VERSION", default="", help="For which Python.  [default: the image's]")
@click.option(
    "--arch", "--platform", "arch", metavar="ARCH", default="",
    help="For which architecture, by Alpine's name or OCI's.  [default: this machine's]",
)  # fmt: skip
@click.option(
    "--base", metavar="REF", default="",
    help="The image that it is compiled under and for.  [default: python:VERSION-alpine in dist]",
)  # fmt: skip
@click.option(
    "--layout", type=_FOLDER, default=pathlib.Path("dist"), show_default=True, metavar="DIR",
    help="The OCI layout that the base image is in.",
)  # fmt: skip
@click.option("--with", "packages", multiple=True, metavar="PACKAGE", help="An Alpine package that the build needs.")
@click.option(
    "--repository", "repositories", multiple=True, metavar="URL",
    help="Where Alpine packages are, an address or a folder.  [default: the base image's repositories]",
)  # fmt: skip
@click.option(
    "--keys", type=_PRESENT, metavar="DIR", help="The public keys to trust.  [default: the image's and Alpine's]"
)
@click.option("--allow-untrusted", is_flag=True, help="Take repositories that no key vouches for.")
@click.option("--no-known-packages", is_flag=True, help="Do not give the build the packages that bivy knows it needs.")
@click.option(
    "--build-requires", "requires", multiple=True, metavar="REQUIREMENT", help="What the build requires besides."
)
@click.option(
    "--config-setting", "-C", "config", multiple=True, metavar="KEY=VALUE", help="A setting for the build backend."
)
@click.option("--env", "-e", "variables", multiple=True, metavar="NAME=VALUE", help="A variable for the build.")
@click.option("--deps/--no-deps", "deep", default=False, help="What it requires too, or just what is named.")
@click.option("--force", is_flag=True, help="Compile also what has a wheel, or was compiled before.")
@click.option(
    "--output", "-o", type=_FOLDER, metavar="DIR",
    help="Put the wheels here as well, for --find-links; those that an index has are fetched.",
)  # fmt: skip
@click.option("--find-links", "links", multiple=True, type=_PRESENT, metavar="DIR", help="A folder of wheels.")
@click.option("--index", default="", metavar="URL", help="The package index.  [default: as pip and uv are set up]")
@click.option("--network", is_flag=True, help="Let the build fetch what it likes; nothing checks that.")
@click.option("--offline", is_flag=True, help="Fetch nothing; use what is cached.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=3600, show_default=True, metavar="SECONDS",
    help="How long a build may take; 0: as long as it likes.",
)  # fmt: skip
@click.option(
    "--jobs", "-j", type=click.IntRange(min=1), default=lambda: len(os.sched_getaffinity(0)),
    help="How many processes a build may start at once.  [default: one a core]",
)  # fmt: skip
@json_option
@volume_options
def command(
    *,
    requirements: tuple[str, ...],
    python: str,
    arch: str,
    base: str,
    layout: Path,
    packages: tuple[str, ...],
    repositories: tuple[str, ...],
    keys: Path | None,
    allow_untrusted: bool,
    no_known_packages: bool,
    requires: tuple[str, ...],
    config: tuple[str, ...],
    variables: tuple[str, ...],
    deep: bool,
    force: bool,
    output: Path | None,
    links: tuple[Path, ...],
    index: str,
    network: bool,
    offline: bool,
    timeout: float,
    jobs: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Compile REQUIREMENTs (cffi, psycopg2==2.9.10, a source archive, a project's folder) into wheels for musl.

    Each is built by its own build backend under the base image's Python, in a sandbox, with bivy's compiler. No
    compiler and no header gets into an image. The wheels are kept in bivy's cache, where bivy check and bivy app find
    them.
    """
    from bivy.app.library import with_folders
    from bivy.compose.default import build_default, default_reference
    from bivy.files import cache_folder
    from bivy.musl.target import make_targets
    from bivy.oci.open import opened
    from bivy.wheels import Settings, build_wheels
    from bivy.wheels.packages import Repositories

    target = make_targets([python] if python else [], [arch] if arch else [], "")[0]
    reference = base or default_reference(target.python)
    settings = Settings(
        repositories=Repositories(
            repositories, keys, allow_untrusted, offline=offline,
            jobs=jobs,
        ),
        known_packages=not no_known_packages, build_requires=requires, config=_pairs(config),
        environment=_pairs(variables), network=network, timeout=timeout, jobs=jobs,
        force=force, offline=offline, index=index, find_links=links,
    )  # fmt: skip
    cache = cache_folder()
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(watching(quiet=quiet, verbose=verbose))
        if not base:
            build_default(target.python, target.arch, cache=cache, output=layout, jobs=jobs, progress=progress)
        image = stack.enter_context(opened(reference, layout=layout, platform=target.arch.platform, cache=cache))
        asked = stack.enter_context(with_folders(requirements, cache))
        built = build_wheels(
            asked, target=target, base=image, cache=cache, progress=progress, packages=packages, output=output,
            deep=deep, settings=settings,
        )  # fmt: skip
    _show(built, as_json=as_json, verbose=verbose)


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    from bivy.errors import UsageError

    for text in texts:
        if not text.partition("=")[1]:
            raise UsageError(f"{text!r} has no value", hint="as in NAME=VALUE")
    return dict(text.split("=", 1) for text in texts)


def _show(built: Sequence[Built], *, as_json: bool, verbose: bool) -> None:
    if as_json:
        print_json([_as_json(each) for each in built])
        return
    for each in built:
        click.echo(_sentence(each))
        for line in _details(each, verbose=verbose):
            click.echo(f"  {line}")


def _sentence(built: Built) -> str:
    if built.wheel is None:
        return f"{built.name} {built.version} has a wheel that fits: {built.file} (--force compiles it all the same)"
    size = spell_size(built.wheel.stat().st_size)
    made = "built" if built.file.endswith("-any.whl") else "compiled"
    how = {"compiled": f"was {made}", "kept": f"was {made} before", "fitting": "was fetched, since it fits"}
    return f"{built.wheel} ({size}) {how[built.state.value]}"


def _details(built: Built, *, verbose: bool) -> list[str]:
    lines = [f"has in it {each.soname}" + (f", of {each.package}" if each.package else "") for each in built.bundled]
    if built.linked:
        lines.append(f"uses {', '.join(built.linked)} of the base image")
    lines += built.notes
    if verbose:
        lines += [f"built with {', '.join((*built.packages, *built.built_with))}"] if built.built_with else []
        lines += [f"log: {built.log}"] if built.log else []
    return lines


def _as_json(built: Built) -> dict[str, object]:
    return {
        "name": built.name,
        "version": built.version,
        "state": built.state.value,
        "file": built.file,
        "wheel": str(built.wheel) if built.wheel else None,
        "sha256": built.sha256,
        "built_with": list(built.built_with),
        "packages": list(built.packages),
        "bundled": [
            {"soname": each.soname, "path": each.path, "package": each.package, "license": each.license}
            for each in built.bundled
        ],
        "linked": list(built.linked),
        "imported": list(built.imported),
        "notes": list(built.notes),
        "seconds": built.seconds,
        "log": str(built.log) if built.log else None,
    }
