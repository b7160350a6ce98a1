"""What is asked for and what the image says become one plan: the words, variables, folder and user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bivy.errors import UsageError
from bivy.run.accounts import find_account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bivy.oci.config import ImageConfig

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where commands are looked for where the image does not say, as in docker."""

Network = Literal["host", "none"]


@dataclass(frozen=True, slots=True)
class Volume:
    """A file or folder of the machine's that the container sees.

    Attributes:
        source: Where it is on the machine, absolute.
        target: Where it is in the container, absolute.
        writable: Whether the container can change it.
    """

    source: Path
    target: str
    writable: bool = True


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person asks for; ``None`` leaves it to the image.

    Attributes:
        command: The words that replace the image's command; none leaves it.
        environment: Variables, later ones winning; ``None`` as a value takes a variable away.
        volumes: What of the machine's is seen.
        directory: The folder to start in.
        user: Whom to run as: name or number, with ``:`` and a group or without.
        entrypoint: The word that replaces the image's entrypoint, and its command with it; empty for none.
        network: The machine's network, or none.
        read_only: Whether nothing but /tmp, /dev and the volumes can be written to.
        hostname: The machine's name inside.
        host_certificates: Whether the certificate authorities that the machine trusts replace the image's.
    """

    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str | None], ...] = ()
    volumes: tuple[Volume, ...] = ()
    directory: str | None = None
    user: str | None = None
    entrypoint: str | None = None
    network: Network = "host"
    read_only: bool = False
    hostname: str | None = None
    host_certificates: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs.

    Attributes:
        argv: The words of the command, at least one.
        environment: All its variables.
        directory: The folder it starts in, absolute.
        uid: The user's number.
        gid: The group's number.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    uid: int
    gid: int


def plan(
    config: ImageConfig, options: RunOptions, *, passwd: str, group: str, hostname: str, terminal: bool = False
) -> Plan:
    """Decide what runs, as docker does.

    Args:
        config: What the image says.
        options: What is asked for.
        passwd: The content of the image's /etc/passwd.
        group: The content of the image's /etc/group.
        hostname: The machine's name inside.
        terminal: Whether the command has a terminal.

    Raises:
        UsageError: No command, an unknown user, or a working directory that is not absolute.
    """
    account = find_account(config.user if options.user is None else options.user, passwd, group)
    directory = options.directory or config.working_dir or "/"
    if not directory.startswith("/"):
        raise UsageError(f"the working directory {directory} is not absolute", hint="it starts with a slash")
    environment = {"PATH": PATH, "HOSTNAME": hostname}
    if terminal:
        environment["TERM"] = "xterm"
    environment |= config.variables
    for name, value in options.environment:
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    if not environment.get("HOME"):
        environment["HOME"] = account.home
    return Plan(_words(config, options), environment, directory, account.uid, account.gid)


def _words(config: ImageConfig, options: RunOptions) -> tuple[str, ...]:
    if options.entrypoint is None:
        words = config.entrypoint + (options.command or config.cmd)
    else:
        words = ((options.entrypoint,) if options.entrypoint else ()) + options.command
    if not words:
        raise UsageError("the image says no command to run", hint="give one after the image's name")
    return words


def parse_variable(text: str, host: Mapping[str, str] = os.environ) -> tuple[str, str | None]:
    """Read ``NAME=value``, or ``NAME`` alone, which takes the machine's value or, without one, takes it away.

    Raises:
        UsageError: There is no name, or a character that no variable can have.
    """
    name, equals, value = text.partition("=")
    if not name or "\0" in text:
        raise UsageError(f"{text!r} is not a variable", hint="NAME=value, or NAME for the value it has here")
    return name, value if equals else host.get(name)


def parse_variables(text: str, where: str, host: Mapping[str, str] = os.environ) -> tuple[tuple[str, str | None], ...]:
    """Read a file of variables, one a line, as ``docker run --env-file``; lines that start with ``#`` are comments.

    Raises:
        UsageError: A line that is no variable, with its number.
    """
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped = line.lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        name, value = parse_variable(stripped, host)
        if any(character.isspace() for character in name):
            raise UsageError(f"{where}:{number}: the name {name!r} has a space in it")
        found.append((name, value))
    return tuple(found)


def read_variables(file: str) -> tuple[tuple[str, str | None], ...]:
    """Read the variables in a file.

    Raises:
        UsageError: The file cannot be read, or has a line that is no variable.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as fault:
        raise UsageError(f"the file of variables {file}: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise UsageError(f"the file of variables {file} is not UTF-8") from fault
    return parse_variables(text, file)


def parse_volume(text: str) -> Volume:
    """Read ``SOURCE:TARGET`` with ``:ro`` or ``:rw`` or without; SOURCE is a path and exists.

    Raises:
        UsageError: Anything else.
    """
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target or mode not in ("", "ro", "rw"):
        raise UsageError(f"{text!r} is not a volume", hint="SOURCE:TARGET, or SOURCE:TARGET:ro")
    if not target.startswith("/") or not target.strip("/"):
        raise UsageError(f"the volume's target {target!r} is not a path in the container", hint="such as /data")
    if "/" not in source and source not in (".", "..", "~"):
        raise UsageError(f"{source!r} names a volume, and bivy has none", hint=f"./{source} is a folder here")
    found = Path(source).expanduser()
    if not found.exists():
        raise UsageError(f"the volume's source {source} does not exist", hint="make it first")
    return Volume(found.resolve(), target, mode != "ro")
