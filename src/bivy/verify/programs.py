"""The checks that are programs run in the image's files, each in a sandbox of its own, several at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.run.container import arguments, opened_root
from bivy.run.inside import CommandMissing, Inside, read_text
from bivy.run.options import RunOptions, plan
from bivy.verify.readings.registry import CannotBeMadeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.run.container import Root
    from bivy.verify.check import Check

SKIPPED: Final = 77
"""The exit status by which a program says that its check cannot be made (as in GNU Automake's test suites)."""
SETTINGS: Final = "BIVY_SETTINGS"
"""The variable in which a program finds the settings of its check, as JSON."""
_MOST_BYTES: Final = 1 << 20
_LAST_LINES: Final = 8


@contextlib.contextmanager
def opened_for_programs(image: Image, cache: Path) -> Iterator[Root | str]:
    """Unpack an image for programs to run in; where that cannot be, say why.

    Args:
        image: The image.
        cache: bivy's cache folder.
    """
    with contextlib.ExitStack() as stack:
        try:
            root: Root | str = stack.enter_context(opened_root(image, cache, "running a check's program"))
        except BivyError as fault:
            root = str(fault) + (f" ({fault.hint})" if fault.hint else "")
        yield root


def run_program(check: Check, image: Image, root: Root) -> list[str]:
    """Run the program of a check and return what is the matter; nothing where all is well.

    Args:
        check: The check.
        image: The image.
        root: Its files.

    Raises:
        CannotBeMadeError: The image has no Python to run it, or the program says that the check does not apply.
    """
    if check.entrypoint and check.command and image.config.entrypoint and not image.config.cmd:
        raise CannotBeMadeError("it has an entrypoint and no default command: it is a program of its own")
    try:
        words = _words(check, image, root)
    except CommandMissing as fault:
        if check.python is not None:
            raise CannotBeMadeError(str(fault)) from None
        return [str(fault)]
    except BivyError as fault:
        return [str(fault)]
    status, said, complaints = _run([str(root.bubblewrap), *words], check.timeout)
    lines = [line for line in said.splitlines() if line.strip()]
    if status is None and check.command == ():
        return []  # the image's own command, which serves: nobody waits for its end
    if status is None:
        return [f"it did not end within {check.timeout} seconds", *lines]
    if status == SKIPPED:
        raise CannotBeMadeError(" ".join(lines) or "the program says that it cannot be made")
    if status == 0:
        return _unexpected(check, said)
    last = [line for line in complaints.splitlines() if line.strip()][-_LAST_LINES:]
    return lines or [f"it ended with {_spell(status)}{': ' if last else ''}{' | '.join(last)}"]


def _unexpected(check: Check, said: str) -> list[str]:
    if check.expect is None or said.strip() == check.expect.strip():
        return []
    return [f"it printed {said.strip()!r}, not {check.expect.strip()!r}"]


def _spell(status: int) -> str:
    """Spell an exit status: a program that a signal ended tells it by 128 and its number, as in a shell."""
    number = -status if status < 0 else status - 128
    with contextlib.suppress(ValueError):
        return f"the signal {signal.Signals(number).name}"
    return f"the exit status {status}"


def _words(check: Check, image: Image, root: Root) -> list[str]:
    """Return bubblewrap's words for a check's program.

    Raises:
        BivyError: The image has no such command.
    """
    command = ("python3", "-c", check.python) if check.python is not None else check.command or ()
    options = RunOptions(
        command=command,
        environment=((SETTINGS, json.dumps(check.settings)),),
        # Where the entrypoint stays, and no command is given, the image's own is what runs.
        entrypoint=None if check.entrypoint or not command else "",
        network="none",
        read_only=not root.layered,
        hostname="bivy",
    )
    inside = Inside(root.folder)
    planned = plan(
        image.config, options, passwd=read_text(inside, "/etc/passwd"), group=read_text(inside, "/etc/group"),
        hostname="bivy",
    )  # fmt: skip
    words = arguments(planned, options, inside, hostname="bivy", layered=root.layered)
    return [*words, "--new-session", "--die-with-parent", "--", *planned.argv]


def _run(argv: list[str], patience: int) -> tuple[int | None, str, str]:
    """Run a command and return its exit status, `None` where it took too long, and what it wrote.

    What it writes goes to files, of which the end is read: a program that writes for ever fills no memory.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=complaints, start_new_session=True
        )
        try:
            status: int | None = process.wait(patience)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return status, _text(output.fileno()), _text(complaints.fileno())


def _text(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _MOST_BYTES, max(0, size - _MOST_BYTES)).decode("utf-8", "replace")
