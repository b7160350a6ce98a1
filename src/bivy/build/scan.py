"""What a package needs and gives, read from its files: shared libraries, commands and pkg-config modules.

The names are abuild's: ``so:`` for a shared library's soname, ``cmd:`` for a command, ``pc:`` for a pkg-config module.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.elf import ElfError, is_elf, read_elf
from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bivy.arch import Arch
    from bivy.elf import Elf

LIBRARY_FOLDERS = ("lib", "usr/lib", "usr/local/lib")
COMMAND_FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin")
PKG_CONFIG_FOLDERS = ("usr/lib/pkgconfig", "usr/share/pkgconfig")


@dataclass(frozen=True, slots=True)
class Binary:
    """What an ELF file says of itself.

    Attributes:
        path: Where it is.
        soname: The name that others ask for it by, empty where it has none.
        needed: The sonames that it asks for.
        interpreter: The loader that it asks for, empty where it asks for none.
        faults: What is wrong with it, in words.
    """

    path: str
    soname: str
    needed: tuple[str, ...]
    interpreter: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a set of files needs and gives, each sorted.

    Attributes:
        provides: ``so:…=VERSION``, ``cmd:…=VERSION``, ``pc:…=VERSION``.
        depends: ``so:…`` and ``pc:…`` that the files themselves do not give.
    """

    provides: tuple[str, ...]
    depends: tuple[str, ...]


def scan(entries: Iterable[Entry], *, arch: Arch, version: str) -> Scan:
    """Read what files need and give.

    Args:
        entries: The files of one package.
        arch: The architecture that they are to be for.
        version: The package's version, which commands are provided with.

    Raises:
        BivyError: An ELF file is damaged, for another architecture, or not made as it must be.
    """
    files = list(entries)
    provides: dict[str, str] = {}
    needed: set[str] = set()
    for entry in files:
        folder, name = posixpath.split(entry.path)
        if folder in COMMAND_FOLDERS and (entry.kind is Kind.SYMLINK or entry.mode & 0o111) and not _is_folder(entry):
            provides[f"cmd:{name}"] = version
        if entry.kind is not Kind.FILE:
            continue
        if folder in PKG_CONFIG_FOLDERS and name.endswith(".pc"):
            module, requires = _read_pkg_config(entry.content)
            provides[f"pc:{name.removesuffix('.pc')}"] = module
            needed |= {f"pc:{required}" for required in requires}
        if is_elf(entry.content):
            binary = read_binary(entry, arch)
            if binary.faults:
                raise BivyError(f"{entry.path}: " + "; ".join(binary.faults))
            if binary.soname and folder in LIBRARY_FOLDERS:
                provides[f"so:{binary.soname}"] = _library_version(files, entry)
            needed |= {f"so:{_alpine_name(soname, arch)}" for soname in binary.needed}
    return Scan(
        tuple(f"{name}={value}" for name, value in sorted(provides.items())),
        tuple(sorted(needed - provides.keys())),
    )


def read_binary(entry: Entry, arch: Arch) -> Binary:
    """Read what an ELF file asks of the loader, and what is wrong with it.

    Raises:
        BivyError: The file cannot be read as ELF.
    """
    try:
        elf = read_elf(entry.content)
    except ElfError as fault:
        raise BivyError(f"{entry.path}: {fault}") from None
    faults = _header_faults(elf, arch)
    if elf.stack == "executable":
        faults.append("its stack is executable")
    if elf.text_relocations:
        faults.append("it has text relocations")
    folders = [folder for path in (elf.rpath, elf.runpath) if path for folder in path.split(":")]
    faults += [f"it looks for libraries in {folder}" for folder in folders if not folder.startswith("$ORIGIN")]
    if elf.interpreter and elf.interpreter != f"/lib/{arch.loader}":
        faults.append(f"it asks for the loader {elf.interpreter}, not /lib/{arch.loader}")
    return Binary(entry.path, elf.soname, elf.needed, elf.interpreter, tuple(faults))


def _header_faults(elf: Elf, arch: Arch) -> list[str]:
    if (elf.machine, elf.bits, elf.big_endian) == (arch.elf, arch.bits, arch.big_endian):
        return []
    order = "big" if elf.big_endian else "little"
    return [f"it is for {elf.machine}, {elf.bits} bits, {order}-endian, not for {arch.name}"]


def _is_folder(entry: Entry) -> bool:
    return entry.kind is Kind.DIRECTORY


def _alpine_name(soname: str, arch: Arch) -> str:
    # What zig links asks for libc.so; musl's loader takes both names for itself.
    return arch.libc if soname == "libc.so" else soname


def _library_version(files: list[Entry], library: Entry) -> str:
    """Take a library's version from its file name (``libz.so.1.3.2``), as abuild does; 0 where it has none."""
    names = [library.path, *(e.path for e in files if e.kind is Kind.HARDLINK and e.target == library.path)]
    for name in names:
        found = re.search(r"\.so\.(\d+(?:\.\d+)*)$", name) or re.search(r"-(\d+(?:\.\d+)*)\.so$", name)
        if found:
            return found[1]
    return "0"


def _read_pkg_config(content: bytes) -> tuple[str, list[str]]:
    """Return the version of a pkg-config file and the modules that it requires."""
    version = "0"
    requires: list[str] = []
    variables: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        assigned = re.match(r"\s*(\w+)\s*=\s*(.*)", line)
        if assigned:
            variables[assigned[1]] = assigned[2].strip()
        key, _, value = line.partition(":")
        value = re.sub(r"\$\{(\w+)\}", lambda found: variables.get(found[1], ""), value).strip()
        if key == "Version":
            version = value or "0"
        elif key in ("Requires", "Requires.private"):
            without_versions = re.sub(r"\s*(<=|>=|!=|=|<|>)\s*\S+", "", value)
            requires += [word for word in re.split(r"[\s,]+", without_versions) if word]
    return version, requires
