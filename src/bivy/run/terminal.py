"""A terminal that is shared with a container, and what the container may not do with it."""

from __future__ import annotations

import contextlib
import os
import struct
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TIOCSTI = 0x5412
IOCTLS = (
    (0xC000003E, 16),  # x86_64
    (0xC000003E, 16 | 0x40000000),  # x32
    (0x40000003, 54),  # i386
    (0xC00000B7, 29),  # aarch64
    (0x40000028, 54),  # arm
    (0xC0000015, 54),  # ppc64le
    (0xC00000F3, 29),  # riscv64
    (0x80000016, 54),  # s390x
)
"""The number of the system call ioctl by architecture (<linux/audit.h>, AUDIT_ARCH_…)."""


def controlling_terminal() -> int | None:
    """Return the standard stream, if any, that is the terminal whose keys send signals to this process."""
    for stream in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.tcgetpgrp(stream)
            return stream
    return None


def no_typing_ahead() -> bytes:
    """Return a seccomp filter that keeps a program from typing into the terminal that it shares (TIOCSTI).

    Without it a container could leave a command behind that the person's shell would run (CVE-2017-5226).
    The format is an array of ``struct sock_filter`` over ``struct seccomp_data`` (<linux/seccomp.h>, seccomp(2)).
    """
    load, equal, give = 0x20, 0x15, 0x06
    number, architecture, request = 0, 4, 24 + (4 if struct.pack("=H", 1) == b"\0\1" else 0)
    allow, refuse = 0x7FFF0000, 0x00050001
    program: list[tuple[int, int, int, int]] = []
    for audit, ioctl in IOCTLS:
        program += [
            (load, 0, 0, architecture),
            (equal, 0, 5, audit),
            (load, 0, 0, number),
            (equal, 0, 3, ioctl),
            (load, 0, 0, request),
            (equal, 0, 1, TIOCSTI),
            (give, 0, 0, refuse),
        ]
    program.append((give, 0, 0, allow))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


@contextlib.contextmanager
def restored(stream: int) -> Iterator[None]:
    """Leave the terminal's settings as they were, whatever a program in between did or how it ended."""
    before = termios.tcgetattr(stream)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(stream) == os.getpgrp():
                termios.tcsetattr(stream, termios.TCSADRAIN, before)
