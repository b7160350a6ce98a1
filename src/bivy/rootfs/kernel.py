"""System calls that Python has no function for: paths that cannot leave a folder, and chown told instead of done.

Root's scripts give files to users. An ordinary user's sandbox has one user only, so the kernel would refuse. A seccomp
filter has it ask us instead (seccomp_unotify(2)): we write down who was asked for, and the script hears that all went
well. Where the kernel cannot ask (before 5.0, or where something else listens already), the filter just says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import platform
import queue
import struct
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Sequence

_X86_64, _I386, _AARCH64, _ARM, _PPC64LE, _RISCV64, _S390X = (
    0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0xC0000015, 0xC00000F3, 0x80000016,
)  # fmt: skip
_X32 = 0x40000000
_OF_32_BITS = {16: "old", 95: "old", 182: "old", 198: "lchown", 207: "fchown", 212: "chown"}
_OF_X86_64 = {92: "chown", 93: "fchown", 94: "lchown", 260: "fchownat"}
_GENERIC = {54: "fchownat", 55: "fchown"}
CHOWNS = {
    _X86_64: _OF_X86_64 | {number | _X32: name for number, name in _OF_X86_64.items()},
    _I386: _OF_32_BITS | {298: "fchownat"},
    _AARCH64: _GENERIC,
    _ARM: _OF_32_BITS | {325: "fchownat"},
    _PPC64LE: {16: "lchown", 95: "fchown", 181: "chown", 289: "fchownat"},
    _RISCV64: _GENERIC,
    _S390X: {198: "lchown", 207: "fchown", 212: "chown", 291: "fchownat"},
}
"""The system calls that change owners, by architecture (<linux/audit.h>) and number (<asm/unistd.h>).

``old`` are those with numbers of 16 bits, which musl does not use: they are answered, but not written down.
"""

_SECCOMP = {"x86_64": 317, "i686": 354, "aarch64": 277, "armv7l": 383, "ppc64le": 358, "riscv64": 277, "s390x": 348}
_STATX = {"x86_64": 332, "i686": 383, "aarch64": 291, "armv7l": 397, "ppc64le": 383, "riscv64": 291, "s390x": 379}
_OPENAT2 = 437
_AT_FDCWD, _AT_EMPTY_PATH, _AT_NOFOLLOW = -100, 0x1000, 0x100
_ALLOW, _SUCCEED, _ASK = 0x7FFF0000, 0x00050000, 0x7FC00000
_NOTIFICATION = struct.Struct("=QIIiI7Q")
_ANSWER = struct.Struct("=QqiI")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_UNCHANGED = 0xFFFFFFFF
_LONGEST_PATH = 4096

Identity = tuple[int, int, int]
"""A file, whatever it is called: its device, its number there, and when it was made, since numbers are used again."""


@dataclass(frozen=True, slots=True)
class Chown:
    """A file that a script gave to somebody.

    Attributes:
        identity: The file.
        path: What it was called then, relative to the root.
        uid: The user's number; ``None`` where it was to stay.
        gid: The group's number; ``None`` where it was to stay.
    """

    identity: Identity
    path: str
    uid: int | None
    gid: int | None


def open_inside(root: int, path: str, *, follow: bool = True) -> int | None:
    """Open what a path leads to as if a folder were the root: not for reading, but to look at (``O_PATH``).

    Args:
        root: A descriptor of the folder.
        path: The path; links in it, absolute ones too, lead where they would for a process whose root it is.
        follow: Whether a link at its end is followed too.

    Returns:
        A descriptor, or ``None`` where there is nothing.

    Raises:
        OSError: The kernel (before 5.6) cannot do that.
    """
    flags = os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    how = ctypes.create_string_buffer(struct.pack("=QQQ", flags, 0, 0x10), 24)
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.syscall(
        ctypes.c_long(_OPENAT2), ctypes.c_int(root), ctypes.c_char_p(os.fsencode(path)), how, ctypes.c_size_t(24)
    )
    if found >= 0:
        return int(found)
    if ctypes.get_errno() in (38, 1):  # ENOSYS, or EPERM where a container's filter does not know it
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return None


def identify(file: int | Path) -> Identity:
    """Say which file a descriptor or a path is; a link is itself.

    Raises:
        OSError: It is not there.
    """
    status = os.fstat(file) if isinstance(file, int) else file.lstat()
    return status.st_dev, status.st_ino, _birth(file)


def _birth(file: int | Path) -> int:
    """Return when a file was made, in nanoseconds since 1970; 0 where the file system does not know."""
    number = _STATX.get(platform.machine())
    if number is None:
        return 0
    place, path = (file, b"") if isinstance(file, int) else (_AT_FDCWD, os.fsencode(file))
    found = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.syscall(
        ctypes.c_long(number), ctypes.c_int(place), ctypes.c_char_p(path),
        ctypes.c_int(_AT_EMPTY_PATH | _AT_NOFOLLOW), ctypes.c_uint(0x800), found,
    )  # fmt: skip
    if failed or not struct.unpack_from("=I", found, 0)[0] & 0x800:
        return 0
    seconds, nanoseconds = struct.unpack_from("=qI", found, 80)
    return int(seconds * 1_000_000_000 + nanoseconds)


def chown_filter(action: int) -> bytes:
    """Return a seccomp filter that does something at each call in `CHOWNS` and allows all else.

    The format is an array of ``struct sock_filter`` over ``struct seccomp_data`` (<linux/seccomp.h>, seccomp(2)).
    """
    load, equal, give = 0x20, 0x15, 0x06
    program: list[tuple[int, int, int, int]] = []
    for audit, calls in CHOWNS.items():
        last = len(calls) - 1
        program += [(load, 0, 0, 4), (equal, 0, len(calls) + 2, audit), (load, 0, 0, 0)]
        program += [(equal, last - index, index == last, number) for index, number in enumerate(calls)]
        program.append((give, 0, 0, action))
    program.append((give, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


class _Program(ctypes.Structure):
    """``struct sock_fprog`` of <linux/filter.h>."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter_this_thread() -> int | None:
    """Have the kernel ask about chown in all processes that this thread will start.

    Returns:
        A descriptor that the questions come from; ``None`` where the kernel does not ask but says yes by itself.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    number = _SECCOMP.get(platform.machine(), -1)
    libc.prctl(ctypes.c_int(38), *(ctypes.c_ulong(each) for each in (1, 0, 0, 0)))  # PR_SET_NO_NEW_PRIVS
    for action, flags in ((_ASK, 1 << 3), (_SUCCEED, 0)):
        content = chown_filter(action)
        program = _Program(len(content) // 8, content)
        done = libc.syscall(ctypes.c_long(number), ctypes.c_uint(1), ctypes.c_uint(flags), ctypes.byref(program))
        if done >= 0:
            return int(done) if flags else None
    raise BivyError(
        f"the kernel takes no filter of system calls here: {os.strerror(ctypes.get_errno())}",
        hint="within docker: --security-opt seccomp=unconfined",
    )


def start_unowned(command: Sequence[str], output: int) -> tuple[subprocess.Popen[bytes], int | None]:
    """Start a program, in a session of its own, whose calls of chown do nothing and succeed.

    Args:
        command: The program and its arguments.
        output: The descriptor that it writes to.

    Returns:
        The process, and the descriptor that the kernel asks at, for `answer`; ``None`` where it does not ask.

    Raises:
        BivyError: There is no such filter here.
        OSError: The program cannot be started.
    """
    started: queue.SimpleQueue[tuple[subprocess.Popen[bytes], int | None] | Exception] = queue.SimpleQueue()

    def start() -> None:
        # A filter stays with the thread that took it: this one is for nothing else. It has to live as long as the
        # process does, which is killed (bwrap --die-with-parent) when the thread ends that it was started by.
        try:
            listener = _filter_this_thread()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, umask=0o022,
                env={"LC_ALL": "C"},
            )  # fmt: skip
        except Exception as fault:  # noqa: BLE001 - handed over to the thread that waits for it
            started.put(fault)
            return
        started.put((process, listener))
        process.wait()

    threading.Thread(target=start, name="install script", daemon=True).start()
    outcome = started.get()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def answer(listener: int, root: int, folder: Path) -> Chown | None:
    """Answer one question of the kernel's: yes, that is done.

    Args:
        listener: Where it asks; there has to be a question.
        root: A descriptor of the folder that is the script's root.
        folder: The same folder's path.

    Returns:
        What was asked for; ``None`` where that cannot be told, or is no file below the root.
    """
    question = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, question)
    except OSError:
        return None
    identity, pid, _, number, audit, _, *words = _NOTIFICATION.unpack(question)
    call = CHOWNS.get(audit, {}).get(number & 0xFFFFFFFF, "old")
    asked = None
    with contextlib.suppress(OSError, ValueError):
        asked = _asked(call, pid, words, root, folder)
    try:
        fcntl.ioctl(listener, _SEND, bytearray(_ANSWER.pack(identity, 0, 0, 0)))
    except OSError:
        # Whoever asked was killed meanwhile, so that what we read may have been another process.
        return None
    return asked


def _asked(call: str, pid: int, words: Sequence[int], root: int, folder: Path) -> Chown | None:
    """Read from the process that waits which file it means."""
    if call == "old":
        return None
    descriptor: int | None
    if call == "fchown":
        owner, group = words[1:3]
        descriptor = _of_descriptor(pid, words[0])
    elif call == "fchownat":
        owner, group, flags = words[2:5]
        descriptor = _of_path(pid, words[0], words[1], root, flags)
    else:
        owner, group = words[1:3]
        descriptor = _of_path(pid, _AT_FDCWD, words[0], root, _AT_NOFOLLOW if call == "lchown" else 0)
    if descriptor is None:
        return None
    try:
        identity = identify(descriptor)
        name = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - the kernel's words, not a path to follow
    finally:
        os.close(descriptor)
    if identity[0] != os.fstat(root).st_dev:
        return None
    path = name.removeprefix(f"{folder}/").lstrip("/")
    return Chown(identity, path, *(None if word & _UNCHANGED == _UNCHANGED else word & _UNCHANGED
                                   for word in (owner, group)))  # fmt: skip


def _of_descriptor(pid: int, descriptor: int) -> int:
    return os.open(f"/proc/{pid}/fd/{descriptor & _UNCHANGED}", os.O_PATH | os.O_CLOEXEC)


def _of_path(pid: int, folder: int, address: int, root: int, flags: int) -> int | None:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        # Up to the end of the page: the next one need not be there.
        found = memory.read(_LONGEST_PATH - address % _LONGEST_PATH)
        if b"\0" not in found:
            found += memory.read(_LONGEST_PATH)
    path = os.fsdecode(found.partition(b"\0")[0])
    here = ctypes.c_int(folder & _UNCHANGED).value
    if not path:
        return _of_descriptor(pid, here) if flags & _AT_EMPTY_PATH else None
    if not path.startswith("/"):
        start = f"/proc/{pid}/cwd" if here == _AT_FDCWD else f"/proc/{pid}/fd/{here}"
        path = os.path.join(os.readlink(start), path)  # noqa: PTH115, PTH118 - a path in the script's root, not ours
    return open_inside(root, path, follow=not flags & _AT_NOFOLLOW)
