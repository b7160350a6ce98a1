"""Programs of a root, run in it: install scripts, triggers and hooks."""

from __future__ import annotations

import errno
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.apk.system.root import Root

# apk-tools 2.14, database.c: a script gets nothing else.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_LONGEST_PAUSE = 0.02


def _through_interpreter(path: str, arguments: Sequence[str]) -> None:
    """Start a script by its interpreter, which works where the file system does not allow to execute."""
    with open(path, "rb") as file:
        first = file.readline(256)
    words = first[2:].decode(errors="surrogateescape").split(maxsplit=1) if first.startswith(b"#!") else []
    if words:
        options = [word.strip() for word in words]
        os.execve(options[0], [*options, path, *arguments[1:]], _ENVIRONMENT)  # noqa: S606


def _become(root: Root, path: str, arguments: Sequence[str]) -> None:
    """Turn this process, a fresh child, into a program of the root; return or raise only where that fails."""
    import signal

    os.setpgid(0, 0)
    # Python ignores these, and a program inherits that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.fchdir(root.descriptor)
    if root.changed_root:
        try:
            os.chroot(".")
        except OSError as fault:
            raise OSError(fault.errno, "chroot") from None
    try:
        os.execve(path, list(arguments), _ENVIRONMENT)  # noqa: S606
    except PermissionError:
        _through_interpreter(path, arguments)
        raise


def _why_not_started(code: int, what: str) -> str:
    if what == "chroot":
        return f"cannot be run in another root: {os.strerror(code)} (--no-scripts leaves scripts out)"
    if code == errno.ENOENT:
        return "cannot be started: the root has no such program, or not its interpreter"
    return f"cannot be started: {os.strerror(code)}"


def _wait(process: int, seconds: float) -> int | None:
    """Return a process's exit status; ``None`` where it did not end in time."""
    end, pause = time.monotonic() + seconds, 0.0005
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _stop(process: int) -> None:
    """Kill a process and what it started."""
    import signal

    for kill in (os.killpg, os.kill):
        try:
            kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os.waitpid(process, 0)


def run(root: Root, path: str, arguments: Sequence[str], seconds: float) -> str:
    """Run a program of the root with the root as its ``/`` and its folder, without standard input.

    Args:
        root: The root.
        path: The program, relative to the root.
        arguments: All of them, what it calls itself first.
        seconds: How long it may take; then it is killed, with all that it started.

    Returns:
        What went wrong, to follow the program's name; empty where it ended well.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            _become(root, path, arguments)
        except OSError as fault:
            os.write(writing, f"{fault.errno} {fault.strerror}".encode(errors="replace"))
        finally:
            os._exit(127)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as told:
            # Ends as soon as the program has started, since the pipe is not handed on to it.
            code, _, what = told.read(200).decode(errors="replace").partition(" ")
        status = _wait(process, seconds)
    except BaseException:
        _stop(process)
        raise
    if status is None:
        _stop(process)
        return f"did not end within {seconds:g} s and was stopped"
    if code:
        return _why_not_started(int(code), what)
    if status < 0:
        return f"killed by signal {-status}"
    return f"exited with error {status}" if status else ""
