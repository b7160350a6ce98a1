"""``bivy app``: a project's image."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any

import click

from bivy.cli.common import Function, json_option, output_option, print_json, spell_size, volume_options, watching

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bivy.app.make import MadeApp, Wish
    from bivy.progress import Progress


# The flags that are no options of the project's: they say how its image is made, not what it is.
_OWN = ("compression", "wheels", "index", "offline", "upgrade", "lock", "repositories", "keys", "sbom")


def _several(name: str, flags: tuple[str, ...], metavar: str, text: str) -> Callable[[Function], Function]:
    return click.option(*flags, name, multiple=True, metavar=metavar, help=text)


@click.command()
@click.argument("where", default=".", metavar="[FOLDER|SCRIPT]", type=click.Path(path_type=pathlib.Path))
@output_option
@click.option("--name", metavar="NAME[:TAG]", help="The image's name.  [default: the project's name and version]")
@click.option("--base", metavar="REF", help="What it stands on.  [default: python:VERSION-alpine as bivy builds it]")
@click.option("--python", metavar="VERSION", help="The Python of the base, where none is named: 3.14.")
@_several("architectures", ("--platform", "--arch"), "ARCH", "What it is for: linux/arm64; may be given several times.")
@_several("packages", ("--package",), "PACKAGE", "Add a package of Alpine's.")
@_several("build_packages", ("--build-package",), "PACKAGE", "Compile the project with a package of Alpine's.")
@_several("extras", ("--extra",), "NAME", "Install an extra of the project's.")
@_several("groups", ("--group",), "NAME", "Install a dependency group of the project's.")
@click.option("--script", metavar="NAME", help="Start this script of the project's.")
@click.option("--module", "-m", metavar="NAME", help="Start this module, as with python -m.")
@click.option(
    "--entrypoint", metavar="WORDS", help="Start this program, with its first arguments, as a shell reads it."
)
@click.option("--command", "command_words", metavar="WORDS", help="Arguments that who starts a container may replace.")
@_several("variables", ("--env", "-e"), "NAME=VALUE", "Set a variable.")
@click.option("--user", "-u", metavar="USER[:GROUP]", help="Whom it runs as.  [default: 65532:65532]")
@click.option("--workdir", "-w", metavar="DIR", help="Where it starts.  [default: /app]")
@_several("ports", ("--port", "-p"), "PORT", "A port that it listens on: 8000, 53/udp.")
@_several("volumes", ("--volume",), "DIR", "A folder whose content outlives a container.")
@_several("labels", ("--label",), "NAME=VALUE", "Set a label.")
@_several("include", ("--include",), "PATTERN", "Add files beside the wheel of a project that has a build backend.")
@_several("exclude", ("--exclude",), "PATTERN", "Leave files out, as .gitignore does.")
@click.option("--compression", type=click.Choice(["gzip", "zstd"]), default="gzip", show_default=True,
              help="How layers are compressed.")  # fmt: skip
@click.option("--find-links", "-f", "wheels", multiple=True, metavar="DIR",
              type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
              help="A folder with wheels.")  # fmt: skip
@click.option("--index", "index", default="", metavar="URL", help="The package index to ask.")
@click.option("--repository", "repositories", multiple=True, metavar="PLACE",
              help="Where Alpine packages come from.  [default: the base's own repositories]")  # fmt: skip
@click.option("--keys", type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False), metavar="DIR",
              help="The public keys to trust for Alpine packages.  [default: the base's and Alpine's]")  # fmt: skip
@click.option("--sbom", type=click.Path(path_type=pathlib.Path, dir_okay=False), metavar="FILE",
              help="Also write the list of what is in the image (CycloneDX) to FILE.")  # fmt: skip
@click.option("--push", "destinations", multiple=True, metavar="HOST/NAME:TAG",
              help="Push the image there; may be given several times.")  # fmt: skip
@click.option("--offline", is_flag=True, help="Fetch nothing.")
@click.option("--lock", is_flag=True, help="Write what is resolved to pylock.toml, which is obeyed from then on.")
@click.option("--upgrade", is_flag=True, help="Resolve anew what was resolved before.")
@click.option("--dockerfile", is_flag=True, help="Make no image; write the Dockerfile that makes much the same.")
@click.option("--watch", is_flag=True,
              help="Start it, and make and start it anew each time that a file of the project changes.")  # fmt: skip
@click.option("--run", "run_words", metavar="WORDS",
              help="With --watch: options of bivy run to start it with: '-v ./data:/data -e DEBUG=1'.")  # fmt: skip
@click.option("--jobs", "-j", type=click.IntRange(min=1), default=lambda: len(os.sched_getaffinity(0)),
              help="How many processes work at once.  [default: one a core]")  # fmt: skip
@json_option
@volume_options
def command(
    *, where: Path, output: Path, as_json: bool, quiet: bool, verbose: bool, destinations: tuple[str, ...],
    dockerfile: bool, watch: bool, run_words: str | None,
    **flags: Any,  # noqa: ANN401 - one for each option
) -> None:  # fmt: skip
    """Make an image of the Python project in FOLDER, or of SCRIPT, into an OCI layout.

    What is not said here is taken from [tool.bivy] in its pyproject.toml, and what is not said there has a default. A
    lock (uv.lock, pylock.toml) is obeyed to the letter; without one, what the project requires is resolved.
    """
    from bivy.app.make import Wish, make_app
    from bivy.files import cache_folder

    _check_together(watch=watch, run=run_words, push=destinations, dockerfile=dockerfile, json=as_json)
    jobs = flags.pop("jobs")
    own = {name: flags.pop(name) for name in _OWN}
    if dockerfile:
        _write_dockerfile(where, _told(flags))
        return
    wish = Wish(where, output, _told(flags), **own)
    if watch:
        _watch(wish, run_words or "", jobs, quiet=quiet, verbose=verbose)
        return
    with watching(quiet=quiet, verbose=verbose) as progress:
        made = make_app(wish, cache=cache_folder(), jobs=jobs, progress=progress)
        pushed = [_push(made.name, output, each, progress) for each in destinations]
    _show(made, output, pushed, as_json=as_json)


def _check_together(*, watch: bool, run: str | None, **others: object) -> None:
    """Refuse what makes no sense together."""
    from bivy.errors import UsageError

    if run and not watch:
        raise UsageError("--run goes with --watch", hint="bivy run starts an image that is there")
    for name, told in others.items():
        if watch and told:
            hint = "push what --watch made once it is right: bivy push" if name == "push" else "leave one of them out"
            raise UsageError(f"--{name} does not go with --watch, which makes one image after the other", hint=hint)


def _watch(wish: Wish, run_words: str, jobs: int, *, quiet: bool, verbose: bool) -> None:
    """Make and start the image, again and again, until Ctrl-C."""
    import time
    from contextlib import nullcontext

    from bivy.app.watch import Manner, watch
    from bivy.cli import show_fault
    from bivy.files import cache_folder
    from bivy.progress import Lines, Silent

    def progress(runs: bool) -> AbstractContextManager[Progress]:  # noqa: FBT001 - Manner's
        # What the program prints would run into a display that is drawn anew all the time.
        return nullcontext(Silent() if quiet else Lines(sys.stderr)) if runs else watching(quiet=quiet, verbose=verbose)

    def say(line: str) -> None:
        if not quiet:
            click.secho(f"bivy {time.strftime('%H:%M:%S')} ", fg="cyan", nl=False, err=True)
            click.echo(line, err=True)

    def blame(fault: Exception) -> None:
        show_fault(fault)

    start = _starting(wish.output, run_words)
    try:
        watch(wish, Manner(start, progress, say, blame), cache=cache_folder(), jobs=jobs)
    except KeyboardInterrupt as interruption:
        if interruption.args:  # by another signal than that of Ctrl-C, which is how this is meant to end
            raise
        say("stopped")


def _starting(output: Path, text: str) -> Callable[[str, str], list[str]]:
    """Return what makes the command line of an image's start, in which the options of `bivy run` are right."""
    import shlex

    from bivy.cli.run import command as run
    from bivy.cli.run import options_of
    from bivy.errors import UsageError

    try:
        words = shlex.split(text)
        told = run.make_context("bivy run", [*words, "--", "IMAGE"]).params
    except ValueError as fault:
        raise UsageError(f"--run {text}: {str(fault).lower()}") from None
    except click.UsageError as fault:
        raise UsageError(f"--run {text}: {fault.format_message()}", hint="bivy run --help has its options") from None
    if told.pop("reference") != "IMAGE" or told["words"]:
        raise UsageError(f"--run {text}: only options of bivy run", hint="--command says the program's arguments")
    options_of(**{name: value for name, value in told.items() if name not in ("arch", "output")})
    # -P: the folder that this is called in, the project's own, has modules that are not meant.
    program = [sys.executable, "-P", "-m", "bivy", "run", *words, "--output", str(output)]
    return lambda name, platform: [*program, "--platform", platform, "--", name]


def _write_dockerfile(where: Path, told: dict[str, object]) -> None:
    from bivy.app.dockerfile import save_dockerfile
    from bivy.app.project import read_project

    for path in save_dockerfile(read_project(where, told)):
        click.echo(f"{path} was written")


def _push(name: str, output: Path, destination: str, progress: Progress) -> str:
    """Push the image, and return what it is called there."""
    from bivy.files import cache_folder
    from bivy.oci.open import opened_node
    from bivy.oci.registry.name import parse_name
    from bivy.oci.registry.push import push

    place = parse_name(destination)
    with opened_node(name, layout=output, platform="", cache=cache_folder(), progress=progress) as node:
        pushed = push(node, place, cache=cache_folder(), progress=progress)
    return f"{place.host}/{place.repository}@{pushed.digest}"


def _told(flags: dict[str, Any]) -> dict[str, object]:
    """Return what the flags say, by the names of the options that they stand for; nothing where they say nothing."""
    import shlex

    told: dict[str, object] = {
        key: value if isinstance(value, str) else list(value)
        for key, value in flags.items()
        if value and key not in ("name", "entrypoint", "command_words", "variables", "labels")
    }
    if name := flags["name"]:
        folder, _, last = name.rpartition("/")
        repository, colon, tag = last.partition(":")
        told["name"] = f"{folder}/{repository}" if folder else repository
        told |= {"tag": tag} if colon else {}
    for key, words in (("entrypoint", flags["entrypoint"]), ("command", flags["command_words"])):
        if words:
            try:
                told[key] = shlex.split(words)
            except ValueError as fault:
                raise click.UsageError(f"--{key} {words}: {str(fault).lower()}") from None
    for key, flag, pairs in (("environment", "env", flags["variables"]), ("labels", "label", flags["labels"])):
        if pairs:
            told[key] = dict(_pair(flag, each) for each in pairs)
    return told


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.UsageError(f"--{flag} {text}: it is NAME=VALUE")
    return name, value


def _show(made: MadeApp, output: Path, pushed: list[str], *, as_json: bool) -> None:
    if as_json:
        images = [
            {"platform": image.platform, "digest": image.digest, "size": image.size,
             "layers": [{"digest": layer.digest, "size": layer.size, "created_by": layer.created_by}
                        for layer in image.layers]}
            for image in made.images
        ]  # fmt: skip
        print_json({
            "name": made.name, "images": images, "layout": str(output), "unchanged": made.unchanged,
            "entrypoint": list(made.start), "ports": list(made.ports), "pushed": pushed,
        })  # fmt: skip
        return
    for image in made.images:
        click.echo(
            f"{made.name}  {image.platform}  {spell_size(image.size)} compressed"
            + ("  (unchanged)" if made.unchanged else "")
        )
        click.echo(image.digest)
    start = " ".join(made.start)
    click.echo(f"in {output}; it starts {start}: bivy run {made.name}")
    for place in pushed:
        click.echo(f"pushed as {place}")
