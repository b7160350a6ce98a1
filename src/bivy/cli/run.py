"""``bivy run``: a command in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bivy.cli.common import fetching, output_option, platform_option

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.run.options import Network, RunOptions


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("reference", metavar="REF")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
@click.option(
    "--env",
    "-e",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set a variable; without a value, to the one that it has here.",
)
@click.option("--env-file", "files", multiple=True, metavar="FILE", help="Set variables from a file, one a line.")
@click.option(
    "--volume",
    "-v",
    "volumes",
    multiple=True,
    metavar="SOURCE:TARGET[:ro]",
    help="Let it see a file or folder of this machine.",
)
@click.option("--workdir", "-w", "directory", metavar="DIR", help="Where it starts; made if it is not there.")
@click.option("--user", "-u", metavar="USER[:GROUP]", help="Whom it runs as, by name or number.")
@click.option("--entrypoint", metavar="PROGRAM", help="Run this instead of the image's entrypoint and command.")
@click.option(
    "--network",
    type=click.Choice(["host", "none"]),
    default="host",
    show_default=True,
    help="This machine's network, or none.",
)
@click.option("--hostname", metavar="NAME", help="The machine's name inside.")
@click.option("--read-only", is_flag=True, help="Let it write to nothing but /tmp and volumes.")
@click.option(
    "--host-certificates",
    is_flag=True,
    help="Trust the certificate authorities that this machine trusts (SSL_CERT_FILE).",
)
@platform_option
@output_option
@click.pass_context
def command(
    context: click.Context, /, *, reference: str, arch: str | None, output: Path,
    **flags: Any,  # noqa: ANN401 - one for each option
) -> None:  # fmt: skip
    """Run COMMAND, or what the image says, in the image REF; what it writes is gone afterwards.

    bivy's own options go before REF. The exit status is the command's, 128 and the number where a signal ended it,
    126 where it cannot be executed, 127 where it is missing.
    """
    from bivy.arch import build_machine, find_arch
    from bivy.files import cache_folder
    from bivy.oci.open import opened
    from bivy.run.container import run

    options = options_of(**flags)
    platform = (find_arch(arch) if arch else build_machine()).platform
    cache = cache_folder()
    with opened(reference, layout=output, platform=platform, cache=cache, progress=fetching()) as image:
        context.exit(run(image, options, cache=cache))


def options_of(
    *, words: tuple[str, ...], variables: tuple[str, ...], files: tuple[str, ...], volumes: tuple[str, ...],
    directory: str | None, user: str | None, entrypoint: str | None, network: Network, hostname: str | None,
    read_only: bool, host_certificates: bool,
) -> RunOptions:  # fmt: skip
    """Read what the flags say.

    Raises:
        UsageError: A variable, a file of them or a volume is none.
    """
    from bivy.run.options import RunOptions, parse_variable, parse_volume, read_variables

    return RunOptions(
        command=words,
        environment=(
            *(pair for file in files for pair in read_variables(file)),
            *(parse_variable(text) for text in variables),
        ),
        volumes=tuple(parse_volume(text) for text in volumes),
        directory=directory,
        user=user,
        entrypoint=entrypoint,
        network=network,
        read_only=read_only,
        hostname=hostname,
        host_certificates=host_certificates,
    )
