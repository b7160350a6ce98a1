"""``apk``: the command line of Alpine's package manager, on the host (``python -m bivy.apk``) and in images.

The commands, options, what is printed and the exit status are those of apk-tools 2.14, as far as images need them.
"""

from __future__ import annotations

import os
import sys
from getopt import GetoptError
from importlib import import_module

from bivy.apk.cli.options import COMMIT, GLOBAL, SOURCE, describe, parse
from bivy.apk.errors import ApkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.apk.cli.options import Option

VERSION = "apk of bivy 0.1.0, after apk-tools 2.14"

# In the order in which a person meets them: what each takes, which shared options it has, and what it does.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "add": ("[PACKAGE|FILE]...", "commit", "Add packages to the world and install them."),
    "del": ("PACKAGE...", "commit", "Take packages out of the world and remove what nothing needs."),
    "fix": ("[PACKAGE]...", "commit", "Install again what is broken."),
    "update": ("", "", "Fetch the repositories' indexes."),
    "upgrade": ("[PACKAGE]...", "commit", "Install the newest versions of what is installed."),
    "info": ("[PACKAGE]...", "source", "Say what is installed, or all about packages."),
    "list": ("[PATTERN]...", "source", "List packages."),
    "search": ("[PATTERN]...", "source", "Find packages by name or description."),
    "policy": ("PACKAGE...", "", "Say which versions there are, and where."),
    "version": ("[PACKAGE]...", "", "Compare what is installed with what there is, or two versions."),
    "fetch": ("PACKAGE...", "source", "Download packages' files."),
    "stats": ("", "", "Count what is installed and what there is."),
    "audit": ("[PATH]...", "", "Say what differs from what packages installed."),
    "verify": ("FILE...", "", "Check the signatures and checksums of packages' files."),
}
# Where a command's name is a word of Python's.
_MODULES = {"del": "remove", "list": "listing"}
_SHARED = {"": (), "commit": COMMIT, "source": SOURCE}


def main() -> None:
    """Run the command line, and exit."""
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except ApkError as fault:
        status = _say_fault(fault)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        status = _say_fault(ApkError(f"{where}{fault.strerror or fault}"))
    # Nothing is left to do, and taking down all modules would cost as much as half of what was done.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _say_fault(fault: ApkError) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"ERROR: {fault}\n")
    if fault.hint:
        sys.stderr.write(f"       {fault.hint}\n")
    return fault.exit_status


def run(words: Sequence[str]) -> int:
    """Run a command line and return its exit status: 0 done, 1 and more the number of errors.

    Raises:
        ApkError: What was asked for cannot be done.
    """
    position = next((index for index, word in enumerate(words) if word in COMMANDS), None)
    if position is None:
        return _without_command(words)
    name = words[position]
    module = import_module(f"bivy.apk.cli.{_MODULES.get(name, name)}")
    options: tuple[Option, ...] = (*GLOBAL, *_SHARED[COMMANDS[name][1]], *module.OPTIONS)
    try:
        given = parse([*words[:position], *words[position + 1 :]], options)
        if given.has("help"):
            sys.stdout.write(_command_help(name, module.OPTIONS))
            return 0
        if given.has("version") or given.has("print-arch"):
            return _say_itself(given.has("version"))
        from bivy.apk.cli.session import Session

        status: int = module.main(Session(given))
    except GetoptError as fault:
        raise ApkError(f"apk {name}: {fault.msg}", hint=f"apk {name} --help lists the options") from None
    return min(status, 99)


def _without_command(words: Sequence[str]) -> int:
    try:
        given = parse(words, GLOBAL)
    except GetoptError as fault:
        raise ApkError(f"apk: {fault.msg}", hint="apk --help lists the options") from None
    if given.has("version") or given.has("print-arch"):
        return _say_itself(given.has("version"))
    if given.words:
        import difflib

        near = difflib.get_close_matches(given.words[0], COMMANDS, n=1)
        raise ApkError(
            f"'{given.words[0]}' is not an apk command", hint=f"is {near[0]!r} meant?" if near else "see apk --help"
        )
    sys.stdout.write(_help())
    return 0 if given.has("help") else 1


def _say_itself(version: bool) -> int:  # noqa: FBT001 - one of two lines
    from bivy.apk.cli.session import own_arch

    sys.stdout.write(f"{VERSION}\n" if version else f"{own_arch()}\n")
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {summary}" for name, (_, _, summary) in COMMANDS.items()]
    return "\n".join([
        VERSION, "", "usage: apk [OPTION]... COMMAND [ARGUMENT]...", "", "Commands:", *lines, "",
        describe("Global", GLOBAL), "", "apk COMMAND --help says all of one.", "",
    ])  # fmt: skip


def _command_help(name: str, own: Sequence[Option]) -> str:
    takes, shared, summary = COMMANDS[name]
    parts = [f"usage: apk {name} [OPTION]... {takes}".rstrip(), "", summary, ""]
    if own:
        parts += [describe(name.capitalize(), own), ""]
    if shared:
        parts += [describe(shared.capitalize(), _SHARED[shared]), ""]
    return "\n".join([*parts, describe("Global", GLOBAL), ""])
