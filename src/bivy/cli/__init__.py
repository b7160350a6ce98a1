"""The command line: one file a command, arguments in, one call, the result drawn."""

from __future__ import annotations

import errno
import gc
import importlib
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from bivy import __version__

if TYPE_CHECKING:
    from types import FrameType

# In the order in which a person meets them, with what `bivy --help` says of each: the commands' own modules, and the
# heavy libraries that these use, are imported only when one is called.
COMMANDS = {
    "build": "Build a base image, from sources, into an OCI layout.",
    "run": "Run a command in an image, here, without a daemon.",
    "init": "Write down what the image of a project is to be like.",
    "app": "Make an image of a Python project, on top of a base image.",
    "check": "Say whether requirements, a project, a wheel or an image will run on musl.",
    "wheel": "Compile what has no wheel for musl, once, outside the image.",
    "verify": "Check that an image is one to trust.",
    "tags": "Say which image has which tag, and what is built.",
    "sbom": "List everything that is in an image, with licences and sources.",
    "inspect": "Say what is in an image, and what every byte is for.",
    "page": "Write the documentation page of an image, made from the image.",
    "push": "Push an image to a registry.",
    "load": "Load an image into docker or podman.",
    "images": "List the images in a layout.",
    "repo": "Build, index, sign and serve a package repository.",
    "cache": "Say where the cache is and how large, or prune it.",
    "completion": "Print the completion script for a shell.",
}


class _Commands(click.Group):
    """The commands, each loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"bivy.cli.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Is {near[0]!r} meant?" if near else " bivy --help lists them."
            ctx.fail(f"There is no command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="bivy")
def group() -> None:
    """Python images on Alpine, without the caveats."""


def main() -> None:
    """Run the command line; every foreseeable fault is one message, and an exit status of 1 or 2."""
    # Most of what a short command makes is there until it ends: to look for what is not takes a twentieth of its time.
    gc.set_threshold(50_000)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Whoever has us ignore a signal, as nohup does, means it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupted)
    try:
        status: Any = group.main(prog_name="bivy", standalone_mode=False)
    except click.exceptions.Abort as end:
        _say("stopped")
        status = _status_of(end.__cause__)
    except click.exceptions.Exit as end:
        status = end.exit_code
    except click.ClickException as fault:
        fault.show()
        status = 2
    except KeyboardInterrupt as interruption:
        _say("stopped")
        status = _status_of(interruption)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again when it closes it.
        sys.stderr.close()
        status = 141
    except Exception as fault:
        if not show_fault(fault):
            raise
        status = getattr(fault, "exit_status", 1)
    raise SystemExit(status if isinstance(status, int) else 0)


def _status_of(interruption: BaseException | None) -> int:
    """Return the exit status of who was interrupted, by Ctrl-C or by the signal that `_interrupted` got."""
    told = isinstance(interruption, KeyboardInterrupt) and interruption.args
    return 128 + (interruption.args[0] if interruption and told else signal.SIGINT)


def _interrupted(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
    raise KeyboardInterrupt(number)


def show_fault(fault: Exception) -> bool:
    """Print a foreseeable fault and tell whether it was one."""
    if hasattr(fault, "exit_status"):  # BivyError, and ApkError, which may import nothing of bivy's
        _say(str(fault), getattr(fault, "hint", None))
        return True
    if isinstance(fault, OSError):
        where = f"{fault.filename}: " if fault.filename else ""
        hint = (
            "make room on that disk, or use another: BIVY_CACHE names the cache's folder, --output that of results"
            if fault.errno == errno.ENOSPC
            else None
        )
        _say(f"{where}{fault.strerror or fault}", hint)
        return True
    return False


def _say(message: str, hint: str | None = None) -> None:
    click.secho("bivy: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    if hint:
        click.echo(f"      {hint}", err=True)
