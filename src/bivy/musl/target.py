"""What is asked for: a Python on a musl on an architecture, and which wheels and markers fit it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.errors import UsageError

if TYPE_CHECKING:
    from packaging.tags import Tag

    from bivy.arch import Arch


@dataclass(frozen=True, slots=True)
class Target:
    """One Python on one musl on one architecture.

    Attributes:
        python: Its minor version, ``3.14``.
        arch: The architecture.
        musl: musl's version, ``1.2.6``.
    """

    python: str
    arch: Arch
    musl: str

    def __str__(self) -> str:
        return f"Python {self.python} on {self.arch.name}, musl {self.musl}"

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags of the wheels that this Python installs, best first (PEP 425, PEP 656)."""
        return _tags(self)

    @property
    def markers(self) -> dict[str, str]:
        """The values of environment markers (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.arch.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


def make_target(python: str, arch: Arch, musl: str) -> Target:
    """Return a target.

    Raises:
        UsageError: A version is not one, or nothing of that kind is on musl.
    """
    version = re.fullmatch(r"3\.(\d+)(?:\.\d+)?", python)
    if not version:
        raise UsageError(f"{python!r} is not a version of Python", hint="such as 3.14")
    if not re.fullmatch(r"1\.[12]\.\d+", musl):
        raise UsageError(f"{musl!r} is not a version of musl", hint="such as 1.2.6")
    return Target(f"3.{version[1]}", arch, musl)


@functools.cache
def _tags(target: Target) -> tuple[Tag, ...]:
    from packaging.tags import compatible_tags, cpython_tags

    version = tuple(int(part) for part in target.python.split("."))
    major, minor = target.musl.split(".")[:2]
    machine = target.arch.machine
    platforms = [f"musllinux_{major}_{number}_{machine}" for number in range(int(minor), -1, -1)]
    platforms.append(f"linux_{machine}")
    interpreter = f"cp{version[0]}{version[1]}"
    return (
        *cpython_tags(version, [interpreter], platforms),
        *compatible_tags(version, interpreter, platforms),
    )
