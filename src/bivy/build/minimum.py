"""The oldest versions of libraries that a package works with: those that it was built against."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.apk.dependency import provided

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bivy.apk.info import PackageInfo
    from bivy.build.toolchain import Toolchain


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library that something was linked with.

    Attributes:
        version: The version that its package provides it in: ``1.3.2`` of ``so:libz.so.1=1.3.2``.
        package: The package that has it.
        package_version: That package's version, without the revision.
    """

    version: str
    package: str
    package_version: str


def libraries_of(packages: Iterable[PackageInfo]) -> dict[str, Library]:
    """Find the shared libraries that packages provide, by ``so:`` and soname."""
    found = {}
    for info in packages:
        for text in info.provides:
            name, version = provided(text)
            if name.startswith("so:"):
                found[name] = Library(version, info.name, without_revision(info.version))
    return found


def libc_of(toolchain: Toolchain) -> dict[str, Library]:
    """Return the C library that a compiler links with as it brings it: musl in its headers' version."""
    return {f"so:{toolchain.target.libc}": Library("1", "musl", toolchain.musl)}


def without_revision(version: str) -> str:
    """Take the revision off a package's version: ``3.5.7-r0`` is ``3.5.7``."""
    return re.sub(r"-r\d+$", "", version)


def with_minimum_versions(depends: Iterable[str], known: Mapping[str, Library]) -> set[str]:
    """Add to dependencies on shared libraries the versions that were linked with.

    A library's own version often says no more than its soname (``so:libssl.so.3=3``), or nothing (``0``); then the
    package that has it is named too, with its version. Names that are not known stay as they are.

    Args:
        depends: Names such as ``so:libz.so.1``.
        known: The libraries that there were while building.
    """
    found = set()
    for name in depends:
        library = known.get(name)
        if library is None or not library.version:
            found.add(name)
            continue
        found.add(f"{name}>={library.version}")
        if _says_nothing(name, library.version):
            found.add(f"{library.package}>={library.package_version}")
    return found


def _says_nothing(name: str, version: str) -> bool:
    return version == "0" or name.endswith((f".so.{version}", f"-{version}.so"))
