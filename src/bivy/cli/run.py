"""``bivy run``: a command in an image."""

from __future__ import annotations

from pathlib import Path

import click

from bivy.cli.common import output_option, platform_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("reference", metavar="REF")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
@click.option(
    "--env",
    "-e",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set a variable; without a value, to the one it has here.",
)
@click.option(
    "--env-file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Set variables from a file, one a line.",
)
@click.option(
    "--volume",
    "-v",
    "volumes",
    multiple=True,
    metavar="SOURCE:TARGET[:ro]",
    help="Let it see a file or folder of this machine.",
)
@click.option("--workdir", "-w", "directory", metavar="DIR", help="Where it starts; made if it is not there.")
@click.option("--user", "-u", metavar="USER[:GROUP]", help="Whom it runs as: name or number.")
@click.option("--entrypoint", metavar="PROGRAM", help="Instead of the image's entrypoint and command.")
@click.option(
    "--network",
    type=click.Choice(["host", "none"]),
    default="host",
    show_default=True,
    help="This machine's network, or none.",
)
@click.option("--hostname", metavar="NAME", help="The machine's name inside.")
@click.option("--read-only", is_flag=True, help="Nothing can be written to but /tmp and volumes.")
@click.option(
    "--host-certificates",
    is_flag=True,
    help="Trust the certificate authorities that this machine trusts (SSL_CERT_FILE).",
)
@platform_option
@output_option
@click.pass_context
def command(
    context: click.Context,
    *,
    reference: str,
    words: tuple[str, ...],
    variables: tuple[str, ...],
    files: tuple[Path, ...],
    volumes: tuple[str, ...],
    directory: str | None,
    user: str | None,
    entrypoint: str | None,
    network: str,
    hostname: str | None,
    read_only: bool,
    host_certificates: bool,
    arch: str | None,
    output: Path,
) -> None:
    """Run COMMAND, or what the image says, in the image REF; what it writes is gone afterwards.

    Options of bivy's own go before REF. The exit status is the command's, 128 and the number where a signal ended it,
    126 where it cannot be executed and 127 where it is missing.
    """
