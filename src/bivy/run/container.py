"""A command runs in the files of an image, alone, as the user who called and nobody else."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.errors import BivyError
from bivy.run.certificates import TARGET, host_certificates
from bivy.run.foreign import check_architecture
from bivy.run.inside import Inside, check_program, read_text, with_mount
from bivy.run.options import plan
from bivy.run.terminal import controlling_terminal, no_typing_ahead, restored
from bivy.run.unpacked import in_use, throwaway, unpacked, without_last_layer
from bivy.sandbox import find_bubblewrap, sandbox_hint, why_no_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from bivy.oci.image import Image
    from bivy.run.options import Plan, RunOptions

CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
                "SETPCAP", "SETUID", "SYS_CHROOT")  # fmt: skip
"""What root in a container may do to what is the container's: docker's, without those for devices and raw packets."""

FORWARDED = (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
TYPED = (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)
"""Signals that a terminal sends by itself to everything that runs in it."""

PR_SET_CHILD_SUBREAPER = 36


def run(image: Image, options: RunOptions, *, cache: Path) -> int:
    """Run a command in an image and return its exit status, 128 + N where signal N ended it.

    The three standard streams are the caller's, and so is the terminal. Signals sent to this process reach the
    command. There is one user and one group inside, whatever their numbers: the caller, to whom all files belong.
    What the command writes is gone afterwards, except in volumes.

    Args:
        image: The image.
        options: What is asked for.
        cache: The folder of what can be made again, where the image's files are kept.

    Raises:
        BivyError: No sandbox can be had here, or the image does not run on this machine.
        CommandMissing: The image has no such command.
        CommandNotExecutable: The command is not a program.
        UsageError: What is asked for makes no sense.
    """
    with opened_root(image, cache, "a container") as root:
        terminal = controlling_terminal()
        hostname = options.hostname or (
            socket.gethostname() if options.network == "host" else image.digest.removeprefix("sha256:")[:12]
        )
        inside = Inside(root.folder)
        planned = plan(
            image.config,
            options,
            passwd=read_text(inside, "/etc/passwd"),
            group=read_text(inside, "/etc/group"),
            hostname=hostname,
            terminal=terminal is not None,
        )
        words = arguments(planned, options, inside, hostname=hostname, layered=root.layered)
        return _start(root.bubblewrap, words, planned.argv, terminal)


@dataclass(frozen=True, slots=True)
class Root:
    """An image's files on disk, for a sandbox to be made of.

    Attributes:
        folder: The folder that they are in.
        layered: Whether what is written is laid over them, so that they stay as they are; else they are for one use.
        bubblewrap: The program that makes sandboxes.
    """

    folder: Path
    layered: bool
    bubblewrap: Path


@contextlib.contextmanager
def opened_root(image: Image, cache: Path, purpose: str) -> Iterator[Root]:
    """Unpack an image to run something in its files.

    Args:
        image: The image.
        cache: The folder of what can be made again, where the image's files are kept.
        purpose: What needs a sandbox, for the message: ``a container``.

    Raises:
        BivyError: No sandbox can be had here, the image does not run on this machine, or is damaged.
    """
    check_architecture(image.config.platform)
    bubblewrap = find_bubblewrap()
    layered = _is_layered(bubblewrap, cache)
    if bubblewrap is None or not layered:
        reason = why_no_sandbox()
        if bubblewrap is None or reason is not None:
            raise BivyError(f"{purpose} needs a sandbox, and there is none: {reason}", hint=sandbox_hint())
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context((in_use if layered else throwaway)(image, cache))
        yield Root(folder, layered, bubblewrap)


def unpack_ahead(image: Image, cache: Path) -> None:
    """Unpack an image before it is run, so that it starts at once, where runs share its files.

    So are the layers below its last one, by themselves: an image that differs in that one alone is unpacked at once.

    Raises:
        BivyError: The image does not run on this machine, or is damaged.
    """
    check_architecture(image.config.platform)
    if _is_layered(find_bubblewrap(), cache):
        unpacked(without_last_layer(image), cache)
        unpacked(image, cache)


def _is_layered(bubblewrap: Path | None, cache: Path) -> bool:
    return bubblewrap is not None and can_overlay(bubblewrap, cache)


@functools.cache
def can_overlay(bubblewrap: Path, cache: Path) -> bool:
    """Say whether bubblewrap and the kernel can lay what a run writes over files in `cache` that stay as they are."""
    cache.mkdir(parents=True, exist_ok=True)
    words = ["--unshare-user", "--ro-bind", "/", "/", "--overlay-src", str(cache), "--tmp-overlay", "/proc"]
    done = subprocess.run([bubblewrap, *words, "/bin/sh", "-c", ":"], capture_output=True, check=False)
    return done.returncode == 0


def arguments(
    planned: Plan,
    options: RunOptions,
    inside: Inside,
    *,
    hostname: str,
    layered: bool,
    above: Sequence[Path] = (),
) -> list[str]:
    """Return bubblewrap's options for a plan; the command is checked to be there.

    Args:
        planned: What runs.
        options: What is asked for.
        inside: The image's files.
        hostname: The machine's name inside.
        layered: Whether the image's files are laid under (and stay as they are) or written to.
        above: Folders whose files are laid over the image's, the lowest first; only where it is layered.

    Raises:
        BivyError: The command or the host's certificates are missing, or the working directory is a file.
    """
    words = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try",
             "--uid", str(planned.uid), "--gid", str(planned.gid), "--hostname", hostname,
             "--cap-drop", "ALL"]  # fmt: skip
    if options.network == "none":
        words.append("--unshare-net")
    if planned.uid == 0:
        for capability in CAPABILITIES:
            words += ["--cap-add", f"CAP_{capability}"]
    root = str(inside.root)
    words += overlay((inside.root, *above), "/") if layered else ["--bind", root, "/"]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--tmpfs" if options.read_only else "--dir", inside.follow("/tmp")]  # noqa: S108
    for source, target, writable in _mounts(options):
        inside, place = with_mount(inside, target, source)
        words += ["--bind" if writable else "--ro-bind", str(source), place]
    place = inside.follow(planned.directory)
    outside = inside.outside(place)
    if not outside.exists():
        words += ["--dir", place]
    elif not outside.is_dir():
        raise BivyError(f"the working directory {planned.directory} is a file in the image")
    check_program(inside, planned.argv[0], planned.environment.get("PATH", ""), place)
    if options.read_only:
        words += ["--remount-ro", "/"]
    words.append("--clearenv")
    for name, value in planned.environment.items():
        words += ["--setenv", name, value]
    return [*words, "--chdir", place]


def overlay(sources: Sequence[Path], target: str) -> list[str]:
    """Return bubblewrap's options that show folders as one, the lowest first; what is written there is gone after."""
    return [*(word for source in sources for word in ("--overlay-src", str(source))), "--tmp-overlay", target]


def _mounts(options: RunOptions) -> Iterator[tuple[Path, str, bool]]:
    """Yield what is seen of the machine's: source, target, writable; what lies deeper comes later."""
    if options.network == "host":
        for name in ("/etc/resolv.conf", "/etc/hosts"):
            if Path(name).exists():
                yield Path(name).resolve(), name, False
    if options.host_certificates:
        yield host_certificates(), TARGET, False
    for volume in sorted(options.volumes, key=lambda volume: volume.target.strip("/").count("/")):
        yield volume.source, volume.target, volume.writable


def _start(bubblewrap: Path, words: list[str], argv: Sequence[str], terminal: int | None) -> int:
    """Start bubblewrap and wait for the command's end.

    With a terminal the command stays in its session, and the keys reach it as they reach any other program. They also
    reach bubblewrap's outer process, which Ctrl-C ends while the command may go on: then this process inherits and
    waits for the inner one. Without a terminal everything has a session of its own and dies with this process.
    """
    typing = _descriptor(no_typing_ahead())
    status = _descriptor(b"")
    words = [*words, "--seccomp", str(typing), "--json-status-fd", str(status)]
    if terminal is None:
        words += ["--new-session", "--die-with-parent"]
    given = _descriptor(b"".join(word.encode(errors="surrogateescape") + b"\0" for word in words))
    descriptors = (typing, status, given)
    try:
        with contextlib.ExitStack() as stack:
            if terminal is not None:
                stack.enter_context(restored(terminal))
                stack.enter_context(_inheriting())
            running = _Running(status)
            stack.enter_context(_forwarding(running, typed=terminal is not None))
            running.outer = subprocess.Popen(
                [bubblewrap, "--args", str(given), "--", *argv],
                pass_fds=descriptors,
                start_new_session=terminal is None,
            )
            for number in running.early:
                _hand_over(running, number)
            return _wait(running, argv)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _descriptor(content: bytes) -> int:
    """Return a nameless file with this content: nobody reads variables off the list of processes."""
    descriptor = os.memfd_create("bivy")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


@dataclass(slots=True)
class _Running:
    """A container that runs, or is about to.

    Attributes:
        status: The file that bubblewrap writes to: the inner process' number, and at the end the exit status of a
            command that could be started (bwrap(1), --json-status-fd).
        outer: Bubblewrap's outer process, once it is started.
        early: Signals that came before.
    """

    status: int
    outer: subprocess.Popen[bytes] | None = None
    early: list[int] = field(default_factory=list)

    def told(self, name: str) -> int | None:
        """Return a number that bubblewrap told."""
        for line in os.pread(self.status, 1 << 16, 0).splitlines():
            with contextlib.suppress(ValueError):
                found = json.loads(line).get(name)
                if isinstance(found, int):
                    return found
        return None

    def inner(self) -> tuple[int, int | None] | None:
        """Return bubblewrap's inner process and the command's, which it started as the second one inside."""
        first = self.told("child-pid")
        if first is None:
            return None
        for process in _members(first):
            if _status(process, "PPid") == [str(first)] and _status(process, "NSpid")[-1:] == ["2"]:
                return first, process
        return first, None

    def ended(self) -> bool:
        """Say whether bubblewrap's outer process is gone."""
        assert self.outer is not None
        try:
            return os.waitid(os.P_PID, self.outer.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True


def _status(process: int, name: str) -> list[str]:
    """Return a field of /proc/PID/status (proc(5)), empty where the process is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return line.split()[1:]
    return []


def _members(first: int) -> Iterator[int]:
    """Yield the processes that are numbered in the same namespace as a process, itself left out."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(folder.name) != first and (folder / "ns/pid").samefile(f"/proc/{first}/ns/pid"):
                yield int(folder.name)


def _wait(running: _Running, argv: Sequence[str]) -> int:
    """Wait for the command's end and end what it left behind."""
    assert running.outer is not None
    ended = running.outer.wait()
    inner = running.inner()
    if ended >= 0:
        if inner is not None:
            _end(inner[0])
            _until_gone(inner[0])
        if running.told("exit-code") is None:
            raise BivyError(
                f"{argv[0]} could not be started in the container",
                hint="bubblewrap's own line above says why; a program made for another libc "
                "or with a missing interpreter is 'No such file or directory'",
            )
        return ended
    if inner is None:
        return 128 - ended
    first, command = inner
    if command is not None:
        _until_gone(command)
    for process in _members(first):
        _end(process)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    except ChildProcessError:
        return 128 - ended


def _end(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _until_gone(process: int) -> None:
    """Wait for the end of a process that need not be a child."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process)
        try:
            select.select([descriptor], [], [])
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _forwarding(running: _Running, *, typed: bool) -> Iterator[None]:
    """Hand signals to the command; those that the terminal sends (`typed`) reach it without."""

    def forward(number: int, _frame: FrameType | None) -> None:
        if running.outer is None:
            running.early.append(number)
        else:
            _hand_over(running, number)

    def leave(_number: int, _frame: FrameType | None) -> None:
        """Do nothing, and let the command do what it does; ignoring would be inherited by it."""

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    before |= {number: signal.signal(number, leave if typed else forward) for number in TYPED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hand_over(running: _Running, number: int) -> None:
    """Send a signal to the command, waiting for it to be there."""
    while True:
        inner = running.inner()
        if inner is not None and inner[1] is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(inner[1], number)
            return
        if running.ended():
            return
        time.sleep(0.005)


@contextlib.contextmanager
def _inheriting() -> Iterator[None]:
    """Become the parent of processes whose own one ends (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    library = ctypes.CDLL(None)
    library.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        library.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
