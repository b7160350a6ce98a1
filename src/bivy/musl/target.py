"""What is asked for: a Python on a musl on an architecture, and which wheels and markers fit it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.arch import ARCHES, build_machine, find_arch
from bivy.errors import UsageError
from bivy.images.definition import load_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.tags import Tag

    from bivy.arch import Arch


@dataclass(frozen=True, slots=True)
class Target:
    """One Python on one musl on one architecture.

    Attributes:
        python: Its minor version, ``3.14``.
        arch: The architecture.
        musl: musl's version, ``1.2.6``.
        free_threaded: Whether it is the Python without the global lock (PEP 703), whose wheels are others.
    """

    python: str
    arch: Arch
    musl: str
    free_threaded: bool = False

    @property
    def python_name(self) -> str:
        """The Python as its program is called: ``3.14``, ``3.14t``."""
        return f"{self.python}t" if self.free_threaded else self.python

    def __str__(self) -> str:
        return f"Python {self.python_name} on {self.arch.name}, musl {self.musl}"

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
    version = re.fullmatch(r"3\.(\d+)(?:\.\d+)?(t?)", python)
    if not version:
        raise UsageError(f"{python!r} is not a version of Python", hint="such as 3.14, or 3.14t for free threads")
    if not re.fullmatch(r"1\.[12]\.\d+", musl):
        raise UsageError(f"{musl!r} is not a version of musl", hint="such as 1.2.6")
    return Target(f"3.{version[1]}", arch, musl, free_threaded=bool(version[2]))


def make_targets(pythons: Sequence[str], arches: Sequence[str], musl: str) -> tuple[Target, ...]:
    """Return a target for every Python on every architecture, each once; where nothing is said, what the image has.

    Args:
        pythons: Versions of Python; none for the default image's.
        arches: Alpine's names or OCI's, or ``all``; none for this machine's.
        musl: A version of musl; empty for the one that bivy builds.

    Raises:
        UsageError: One of them is unknown.
    """
    machines = [arch for name in arches for arch in (ARCHES.values() if name == "all" else (find_arch(name),))]
    targets = [
        make_target(python, arch, musl or _musl_built())
        for python in pythons or (load_image("python").default,)
        for arch in machines or (build_machine(),)
    ]
    return tuple(dict.fromkeys(targets))


def _musl_built() -> str:
    from bivy.build.recipe import RECIPES, load_recipe

    return load_recipe(RECIPES / "musl").version


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
        *cpython_tags(version, [f"{interpreter}t" if target.free_threaded else interpreter], platforms),
        *compatible_tags(version, interpreter, platforms),
    )
