"""What a package needs and gives, read from its files: shared libraries, commands and pkg-config modules.

The names are abuild's: ``so:`` for a shared library's soname, ``cmd:`` for a command, ``pc:`` for a pkg-config module.
"""

from __future__ import annotations

import io
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from elftools.elf.elffile import ELFFile

    from bivy.arch import Arch

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
        if entry.content[:4] == b"\x7fELF":
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
    """Read an ELF file's dynamic section and program headers (System V ABI, chapter 5).

    Raises:
        BivyError: The file cannot be read as ELF.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    soname = interpreter = ""
    needed: list[str] = []
    faults: list[str] = []
    try:
        elf = ELFFile(io.BytesIO(entry.content))
        faults += _header_faults(elf, arch)
        for segment in elf.iter_segments():
            if isinstance(segment, InterpSegment):
                interpreter = segment.get_interp_name()
            if segment["p_type"] == "PT_GNU_STACK" and segment["p_flags"] & 1:
                faults.append("its stack is executable")
            if isinstance(segment, DynamicSegment):
                # pyelftools adds attributes such as `needed` to each tag as its kind has them.
                tags: list[Any] = list(segment.iter_tags())
                needed += [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
                soname = next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), "")
                faults += _dynamic_faults(tags)
    except (ELFError, ValueError, KeyError, IndexError, UnicodeDecodeError) as fault:
        raise BivyError(f"{entry.path}: a damaged ELF file: {fault}") from None
    if interpreter and interpreter != f"/lib/{arch.loader}":
        faults.append(f"it asks for the loader {interpreter}, not /lib/{arch.loader}")
    return Binary(entry.path, soname, tuple(needed), interpreter, tuple(faults))


def _header_faults(elf: ELFFile, arch: Arch) -> list[str]:
    machine, bits, little = elf["e_machine"], elf.elfclass, elf.little_endian
    if (machine, bits, little) == (arch.elf, arch.bits, not arch.big_endian):
        return []
    order = "little" if little else "big"
    return [f"it is for {machine}, {bits} bits, {order}-endian, not for {arch.name}"]


def _dynamic_faults(tags: Sequence[Any]) -> list[str]:
    faults = ["it has text relocations"] if any(tag.entry.d_tag == "DT_TEXTREL" for tag in tags) else []
    paths = [tag.rpath for tag in tags if tag.entry.d_tag == "DT_RPATH"]
    paths += [tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"]
    folders = [folder for path in paths for folder in path.split(":")]
    return faults + [f"it looks for libraries in {folder}" for folder in folders if not folder.startswith("$ORIGIN")]


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
