"""Architectures: Alpine's names inside, OCI's at the edge, a compiler's target for each."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace

from bivy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Arch:
    """One architecture under all its names.

    Attributes:
        name: Alpine's name, as in ``apk --print-arch``.
        oci: OCI's ``architecture`` (GOARCH, image-spec/config.md).
        variant: OCI's ``variant`` (GOARM and the like), empty where there is none.
        zig: The compiler's target triple.
        cpu: The compiler's ``-mcpu``: the oldest machine that Alpine runs on.
        gnu: The triple that ``configure --host`` takes, as Alpine's packages use it.
        loader: The file name of musl's dynamic loader in ``/lib``.
        multiarch: CPython's platform triplet, the end of an extension module's name
            (CPython, Misc/platform_triplet.c).
        machine: What ``uname -m`` says on it.
        elf: ``e_machine`` of its ELF files, as in <elf.h>.
        bits: Width of a pointer, 32 or 64.
        big_endian: Whether the most significant byte comes first.
    """

    name: str
    oci: str
    variant: str
    zig: str
    cpu: str
    gnu: str
    loader: str
    multiarch: str
    machine: str
    elf: str
    bits: int
    big_endian: bool = False

    @property
    def platform(self) -> str:
        """OCI's platform, as in ``docker --platform``: ``linux/arm/v7``."""
        return f"linux/{self.oci}" + (f"/{self.variant}" if self.variant else "")

    @property
    def libc(self) -> str:
        """The name under which Alpine's binaries ask for musl: ``libc.musl-x86_64.so.1``."""
        return f"libc.musl-{self.name}.so.1"


ARCHES: dict[str, Arch] = {
    arch.name: arch
    for arch in (
        Arch("x86_64", "amd64", "", "x86_64-linux-musl", "x86_64", "x86_64-alpine-linux-musl",
             "ld-musl-x86_64.so.1", "x86_64-linux-musl", "x86_64", "EM_X86_64", 64),
        Arch("aarch64", "arm64", "v8", "aarch64-linux-musl", "generic", "aarch64-alpine-linux-musl",
             "ld-musl-aarch64.so.1", "aarch64-linux-musl", "aarch64", "EM_AARCH64", 64),
        Arch("armv7", "arm", "v7", "arm-linux-musleabihf", "generic+v7a+vfp3d16-neon-d32",
             "armv7-alpine-linux-musleabihf", "ld-musl-armhf.so.1", "arm-linux-musleabihf", "armv7l", "EM_ARM", 32),
        Arch("armhf", "arm", "v6", "arm-linux-musleabihf", "arm1176jzf_s", "armv6-alpine-linux-musleabihf",
             "ld-musl-armhf.so.1", "arm-linux-musleabihf", "armv6l", "EM_ARM", 32),
        Arch("x86", "386", "", "x86-linux-musl", "pentium_m", "i586-alpine-linux-musl",
             "ld-musl-i386.so.1", "i386-linux-musl", "i686", "EM_386", 32),
        Arch("ppc64le", "ppc64le", "", "powerpc64le-linux-musl", "ppc64le",
             "powerpc64le-alpine-linux-musl", "ld-musl-powerpc64le.so.1", "powerpc64le-linux-musl", "ppc64le",
             "EM_PPC64", 64),
        Arch("riscv64", "riscv64", "", "riscv64-linux-musl", "baseline_rv64", "riscv64-alpine-linux-musl",
             "ld-musl-riscv64.so.1", "riscv64-linux-musl", "riscv64", "EM_RISCV", 64),
        Arch("s390x", "s390x", "", "s390x-linux-musl", "z10", "s390x-alpine-linux-musl",
             "ld-musl-s390x.so.1", "s390x-linux-musl", "s390x", "EM_S390", 64, big_endian=True),
    )
}  # fmt: skip


def find_arch(name: str) -> Arch:
    """Find an architecture by Alpine's name, OCI's, or OCI's platform (``linux/arm/v7``).

    Raises:
        UsageError: Nothing is called that.
    """
    wanted = name.removeprefix("linux/")
    for arch in ARCHES.values():
        names = {arch.name, arch.platform.removeprefix("linux/")}
        if arch.variant in ("", "v8"):
            names.add(arch.oci)
        if wanted in names:
            return arch
    raise UsageError(
        f"unknown architecture {name!r}",
        hint="known are " + ", ".join(f"{arch.name} ({arch.platform})" for arch in ARCHES.values()),
    )


def for_cpu(arch: Arch, cpu: str) -> Arch:
    """Return an architecture whose programs need a newer machine than the oldest: ``x86-64-v3``, ``neoverse-n1``.

    Args:
        arch: The architecture.
        cpu: The machine as compilers name it (``-march``, ``-mcpu``), with hyphens or underscores.
    """
    return replace(arch, cpu=cpu.replace("-", "_"))


def build_machine() -> Arch:
    """Return the architecture of the machine that bivy runs on, where its build tools run.

    Raises:
        UsageError: bivy does not know this machine's.
    """
    machine = platform.machine()
    for arch in ARCHES.values():
        if arch.machine == machine:
            return arch
    raise UsageError(f"this machine's architecture, {machine}, is not one that bivy builds on")
