"""Readings of the ELF files: what they need is there, and they are built as securely as they can be."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.apk.entry import Kind
from bivy.arch import find_arch
from bivy.errors import UsageError
from bivy.verify.paths import matches
from bivy.verify.readings.registry import CannotBeMadeError, Except, NoSettings, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bivy.elf import Elf
    from bivy.musl.report import Part
    from bivy.verify.subject import Subject

# Files for the linker, and what crashed, are not loaded.
_LOADED: Final = ("pie", "exec", "shared")


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which findings of `bivy check` count (src/bivy/musl/binaries/rules.toml)."""

    rules: tuple[str, ...]


@reading("loads-on-musl", Rules, needs="tree")
def loads_on_musl(subject: Subject, settings: Rules) -> Iterator[str]:
    """Yield what musl's loader would say of the files, as far as some rules go."""
    _some_elves(subject)
    for finding in _checked(subject).findings:
        if finding.rule.name in settings.rules:
            yield f"{finding.path}: {finding.message}"
    if "symbol-missing" in settings.rules:
        yield from _without_python(subject)


def _checked(subject: Subject) -> Part:
    from bivy.musl.binaries import check_tree
    from bivy.musl.target import make_targets

    assert subject.tree is not None
    variables = subject.image.config.variables
    version = variables.get("PYTHON_VERSION", "")
    folders = [folder for folder in variables.get("LD_LIBRARY_PATH", "").split(":") if folder]
    try:
        targets = make_targets([version] if version else [], [subject.image.config.platform], "")
    except UsageError:
        targets = make_targets([], [subject.image.config.platform], "")
    return check_tree(subject.tree, targets=targets, where="", library_path=folders)


def _without_python(subject: Subject) -> Iterator[str]:
    """Yield the libraries that ask for functions of Python's that no Python in the image has.

    `check_tree` takes them for granted, since what it is mostly asked about is to be put beside a Python.
    """
    there = {symbol.name for elf in subject.elves.values() for symbol in elf.exports}
    if not any(name.startswith("Py_") for name in there):
        return
    for path, elf in subject.elves.items():
        if elf.type != "shared":
            continue
        missing = [
            symbol.name
            for symbol in elf.imports
            if not symbol.weak and symbol.name.startswith(("Py", "_Py")) and symbol.name not in there
        ]
        if missing:
            yield f"/{path}: it needs {missing[0]}, which no Python in the image has ({len(missing)} such)"


def _some_elves(subject: Subject) -> dict[str, Elf]:
    """Return the files that are loaded.

    Raises:
        CannotBeMadeError: There are none.
    """
    found = {path: elf for path, elf in subject.elves.items() if elf.type in _LOADED}
    if not found:
        raise CannotBeMadeError("it has no ELF files")
    return found


@reading("elf-whole", NoSettings, needs="tree")
def elf_whole(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the ELF files that cannot be read."""
    yield from (f"/{path}: {fault}" for path, fault in subject.damaged.items())


@reading("architecture", NoSettings, needs="tree")
def architecture(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the ELF files that are for another architecture than the image."""
    arch = find_arch(subject.image.config.platform)
    for path, elf in _some_elves(subject).items():
        if (elf.machine, elf.bits, elf.big_endian) != (arch.elf, arch.bits, arch.big_endian):
            yield f"/{path} is for {elf.machine.removeprefix('EM_')}, {elf.bits} bits; the image is for {arch.platform}"


@reading("executable-stack", NoSettings, needs="tree")
def executable_stack(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the files that get an executable stack, by their own word or because they say nothing."""
    for path, elf in _some_elves(subject).items():
        if elf.stack_executable:
            yield f"/{path} {'asks for one' if elf.stack == 'executable' else 'does not say that it needs none'}"


@reading("text-relocations", NoSettings, needs="tree")
def text_relocations(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the files whose code the loader has to write to."""
    yield from (f"/{path}" for path, elf in _some_elves(subject).items() if elf.text_relocations)


@reading("position-independent", NoSettings, needs="tree")
def position_independent(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the programs that are loaded at an address of their own (``ET_EXEC``)."""
    yield from (
        f"/{path} is always loaded at the same address"
        for path, elf in _some_elves(subject).items()
        if elf.type == "exec"
    )


@reading("relro", NoSettings, needs="tree")
def relro(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the files whose tables of addresses stay writable.

    One that takes nothing from others has no table that would be filled later: there, GNU_RELRO alone is full.
    """
    for path, elf in _some_elves(subject).items():
        alone = not elf.needed and not elf.imports
        if elf.relro == "none" and (elf.dynamic or elf.interpreter):
            yield f"/{path} has no RELRO at all (no PT_GNU_RELRO)"
        elif elf.relro == "partial" and not alone:
            yield f"/{path} has partial RELRO (no BIND_NOW)"


class Stripped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files keep their symbols."""

    allowed: tuple[Except, ...] = ()


@reading("stripped", Stripped, needs="tree")
def stripped(subject: Subject, settings: Stripped) -> Iterator[str]:
    """Yield the files that still have the symbols for debugging."""
    for path, elf in _some_elves(subject).items():
        if not elf.stripped and not any(matches(path, each.path) for each in settings.allowed):
            yield f"/{path} has a symbol table of {_size(subject, path)} bytes in all"


def _size(subject: Subject, path: str) -> int:
    return len(subject.entries[path].content)


@reading("library-twice", NoSettings, needs="tree")
def library_twice(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the libraries of which there are two: by the name that others ask for, or byte by byte."""
    by_name: dict[str, list[str]] = {}
    by_content: dict[bytes, list[str]] = {}
    for path, elf in _some_elves(subject).items():
        entry = subject.entries[path]
        if elf.type != "shared" or entry.kind is not Kind.FILE:
            continue
        if elf.soname:
            by_name.setdefault(elf.soname, []).append(path)
        by_content.setdefault(hashlib.sha256(entry.content).digest(), []).append(path)
    told = set()
    for name, paths in by_name.items():
        if len(paths) > 1:
            told.update(paths)
            yield f"{name} is there as {' and as '.join(f'/{path}' for path in paths)}"
    for paths in by_content.values():
        if len(paths) > 1 and not told.issuperset(paths):
            yield f"{' and '.join(f'/{path}' for path in paths)} are the same, byte by byte"
