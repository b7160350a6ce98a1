"""``bivy repo``: a package repository of one's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bivy.cli.common import json_option, print_json, spell_size, volume_options, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bivy.apk.sign import Signer
    from bivy.progress import Progress
    from bivy.repository.index import Indexed

Function = TypeVar("Function", bound="Callable[..., Any]")

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def _key_options(function: Function) -> Function:
    function = click.option("--unsigned", is_flag=True, help="Do not sign, even where there is a key.")(function)
    return click.option(
        "--key", type=_FILE, metavar="FILE",
        help="The private key to sign with.  [default: the only one that bivy repo keygen has made]",
    )(function)  # fmt: skip


description_option = click.option(
    "--description", default="", metavar="TEXT", help="What the repository calls itself, such as its version."
)


@click.group()
def command() -> None:
    """Build, index, sign and serve a package repository."""


@command.command("build")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--arch", metavar="ARCH", help="By Alpine's name or OCI's: aarch64, linux/arm64.  [default: this one's]")
@click.option(
    "--output", "-o", type=_FOLDER, default=Path("repository"), show_default=True, metavar="DIR", help="The repository."
)
@click.option("--recipes", "folder", type=_FOLDER, metavar="DIR", help="The folder of the recipes.  [default: bivy's]")
@click.option("--with-dependencies", is_flag=True, help="Put in what the packages need at run time too.")
@description_option
@_key_options
@click.option(
    "--jobs", "-j", type=click.IntRange(min=1), default=lambda: len(os.sched_getaffinity(0)),
    help="How many processes work at once.  [default: one a core]",
)  # fmt: skip
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="Where else sources may be had.")
@json_option
@volume_options
def build_command(
    *,
    recipes: tuple[str, ...],
    arch: str | None,
    output: Path,
    folder: Path | None,
    with_dependencies: bool,
    description: str,
    key: Path | None,
    unsigned: bool,
    jobs: int,
    mirrors: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Build the packages of recipes into DIR/ARCH, beside those that are there, and write the index.

    RECIPE is the name of a recipe, of a package that it makes, or NAME=VERSION.
    """
    from bivy.arch import build_machine, find_arch
    from bivy.build.graph import Recipes
    from bivy.build.recipe import RECIPES
    from bivy.files import cache_folder
    from bivy.repository.make import Order, Surroundings, make_repository
    from bivy.source.places import mirrors_told

    order = Order(recipes, find_arch(arch) if arch else build_machine(), with_dependencies)
    around = Surroundings(output, Recipes(folder or RECIPES), cache_folder(), jobs, mirrors_told(mirrors))
    with watching(quiet=quiet, verbose=verbose) as progress:
        signer = _signer(key, unsigned=unsigned, progress=progress)
        made = make_repository(order, around, description=description, signer=signer, progress=progress)
        for name in made.missing:
            progress.say(f"{name} is needed, which no recipe makes: it has to come from another repository")
    if as_json:
        print_json({
            "packages": [str(path) for path in made.packages], "missing": list(made.missing),
            "index": _as_json(made.index),
        })  # fmt: skip
        return
    for path in made.packages:
        click.echo(str(path))
    _print_indexes([made.index])


@command.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@description_option
@_key_options
@json_option
@volume_options
def index(
    *, folder: Path, description: str, key: Path | None, unsigned: bool, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Write the index of the packages in DIR: of each architecture's folder in it, or of DIR itself."""
    from bivy.repository.index import index_repository

    with watching(quiet=quiet, verbose=verbose) as progress:
        signer = _signer(key, unsigned=unsigned, progress=progress)
        done = index_repository(folder, description=description, signer=signer, progress=progress)
    _print(done, as_json=as_json)


@command.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True), metavar="FILE|DIR")
@click.option("--key", type=_FILE, metavar="FILE", help="The private key.  [default: the only one from keygen]")
@json_option
@volume_options
def sign(*, path: Path, key: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Sign a package, an index, or all packages and indexes of a repository, in the place of who signed them before.

    A package that is signed has another size: sign the whole repository, or index it again.
    """
    from bivy.repository.index import sign_file, sign_repository

    with watching(quiet=quiet, verbose=verbose) as progress:
        signer = _needed_signer(key)
        if path.is_dir():
            changed, done = sign_repository(path, signer, progress)
        else:
            changed, done = int(sign_file(path, signer)), []
    if as_json:
        print_json({"signed_by": signer.name, "changed": changed, "indexes": [_as_json(each) for each in done]})
        return
    click.echo(f"signed by {signer.name}" + ("" if changed or any(each.changed for each in done) else "  (unchanged)"))
    _print_indexes(done)


@command.command()
@click.argument("name", default="", metavar="[NAME]")
@click.option(
    "--output", "-o", type=_FOLDER, metavar="DIR", help="Where to put them.  [default: ~/.config/bivy/keys]"
)  # fmt: skip
@click.option("--bits", type=click.IntRange(min=2048, max=16384), default=4096, show_default=True)
@json_option
@volume_options
def keygen(*, name: str, output: Path | None, bits: int, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Make a pair of keys to sign repositories with: NAME-HEX.rsa and NAME-HEX.rsa.pub.

    NAME is whose they are, such as someone@example.org; the user's name unless told. The public one goes to
    /etc/apk/keys of those who trust the repository; the private one stays where it is.
    """
    from bivy.progress import under_way
    from bivy.repository.keys import keys_folder, new_key

    with watching(quiet=quiet, verbose=verbose) as progress, under_way(progress, f"make a key of {bits} bits"):
        private, public = new_key(output or keys_folder(), name, bits=bits)
    if as_json:
        print_json({"private": str(private), "public": str(public)})
        return
    click.echo(f"{private}\n{public}")


@command.command()
@click.argument("folder", type=_FOLDER, default=Path("repository"), metavar="[DIR]")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@json_option
@volume_options
def serve(*, folder: Path, host: str, port: int, as_json: bool, quiet: bool, verbose: bool) -> None:  # noqa: ARG001
    """Serve a repository on http, for trying it out, until Ctrl-C.

    Only this machine sees it unless --host says otherwise. Nothing can be written.
    """
    from bivy.repository.serve import address_of, open_server

    with watching(quiet=quiet) as progress:
        server = open_server(folder, host, port, said=progress.say)
        url = address_of(server)
        keys = sorted(path.name for path in folder.glob("*.rsa.pub"))
        if as_json:
            print_json({"url": url, "keys": [f"{url}/{key}" for key in keys]})
        else:
            click.echo(f"line for /etc/apk/repositories: {url}")
            for key in keys:
                click.echo(f"key for /etc/apk/keys: {url}/{key}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            progress.say("stopped")
        finally:
            server.server_close()


def _signer(key: Path | None, *, unsigned: bool, progress: Progress) -> Signer | None:
    from bivy.repository.keys import find_key, load_signer

    found = None if unsigned else find_key(key)
    if found is None:
        progress.say(
            "not signed: apk will want --allow-untrusted"
            + ("" if unsigned else "; bivy repo keygen makes a key, --key names one")
        )
        return None
    return load_signer(found)


def _needed_signer(key: Path | None) -> Signer:
    from bivy.errors import UsageError
    from bivy.repository.keys import find_key, load_signer

    found = find_key(key)
    if found is None:
        raise UsageError("there is no key to sign with", hint="bivy repo keygen makes one, --key names one")
    return load_signer(found)


def _as_json(done: Indexed) -> dict[str, object]:
    return {
        "path": str(done.path), "arch": done.arch, "signed_by": done.signed_by or None, "changed": done.changed,
        "packages": [{"name": it.name, "version": it.version, "size": it.size} for it in done.entries],
    }  # fmt: skip


def _print(done: Iterable[Indexed], *, as_json: bool) -> None:
    if as_json:
        print_json([_as_json(each) for each in done])
    else:
        _print_indexes(done)


def _print_indexes(done: Iterable[Indexed]) -> None:
    for each in done:
        size = spell_size(sum(entry.size for entry in each.entries))
        by = f"signed by {each.signed_by}" if each.signed_by else "not signed"
        unchanged = "" if each.changed else "  (unchanged)"
        click.echo(f"{each.path}: {len(each.entries)} packages for {each.arch}, {size}, {by}{unchanged}")
