"""Whether programs of an architecture run on this machine."""

from __future__ import annotations

import platform
from pathlib import Path

from bivy.arch import find_arch
from bivy.errors import BivyError

ALSO = {"x86_64": ("x86",), "aarch64": ("armv7", "armhf"), "armv7l": ("armhf",)}
"""What a machine (``uname -m``) runs beside its own."""


def check_architecture(architecture: str, machine: str | None = None, binfmt: Path | None = None) -> None:
    """Refuse an image whose programs cannot run here.

    Args:
        architecture: The image's, OCI's name or platform (``arm64``, ``linux/arm/v7``).
        machine: What ``uname -m`` says, this machine's unless told.
        binfmt: Where the kernel lists its interpreters of foreign programs (binfmt_misc).

    Raises:
        BivyError: The machine is another one, and no emulator is registered.
    """
    arch = find_arch(architecture)
    here = machine or platform.machine()
    if here == arch.machine or arch.name in ALSO.get(here, ()):
        return
    emulator = "arm" if arch.machine.startswith("arm") else "i386" if arch.name == "x86" else arch.machine
    registered = (binfmt or Path("/proc/sys/fs/binfmt_misc")) / f"qemu-{emulator}"
    if _usable(registered):
        return
    raise BivyError(
        f"the image is for {arch.platform}, which does not run on this machine ({here})",
        hint=f"choose another with --platform, or register qemu-{emulator} with the kernel "
        "(package qemu-user-static on Debian and Ubuntu)",
    )


def _usable(registered: Path) -> bool:
    """Say whether an emulator is on, and opened ahead (flag F), so that it need not be in the container."""
    try:
        lines = registered.read_text().splitlines()
    except OSError:
        return False
    return "enabled" in lines and any(line.startswith("flags:") and "F" in line[6:] for line in lines)
