"""What is the matter with each of a set of ELF files on one target."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bivy.musl.binaries.data import glibc
from bivy.musl.binaries.rules import alpine_packages, rules
from bivy.musl.binaries.search import Loaded, Patience, load
from bivy.musl.report import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from bivy.arch import Arch
    from bivy.elf import Elf, Import
    from bivy.musl.binaries.search import Files
    from bivy.musl.target import Target

_GLIBC_LIBRARY = re.compile(
    r"ld(-linux.*|64|)\.so\.\d+|lib(c|m|pthread|dl|rt|util|resolv|anl|mvec|BrokenLocale|thread_db)\.so\.\d+"
)
# What runs on a processor; the rest (CUDA, AMDGPU, BPF) is data to the programs beside it.
_NO_PROCESSOR = {"EM_CUDA", "EM_AMDGPU", "EM_BPF"}
_MOST_LINES = 20
# Large wheels and images take some ten thousand.
_PATIENCE = 3_000_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A set of files on one target.

    Attributes:
        target: The target.
        elves: The files that are asked about, by their place.
        files: These and whatever else can be loaded.
        shown: Returns the name that a person is told, for a place.
        where: The name of the whole.
        symbols: What musl exports.
        newest: What the newest musl that is known exports.
        musl: What the musl is called: by its version.
        hosts: The symbols that programs have for what they load: Python's, and others' that are among the files.
        platforms: The platforms that the files' wheel is tagged with; empty where they are from no wheel.
        extras: The places of files that are in a wheel for every platform, which can do without them.
        exports: The names that a file exports, by its identity; filled as they are looked up.
        patience: How much is looked into.
    """

    target: Target
    elves: Mapping[str, Elf]
    files: Files
    shown: Callable[[str], str]
    where: str
    symbols: AbstractSet[str]
    newest: AbstractSet[str]
    musl: str
    hosts: AbstractSet[str] = frozenset()
    platforms: AbstractSet[str] = frozenset()
    extras: AbstractSet[str] = frozenset()
    exports: dict[int, frozenset[str]] = field(default_factory=dict)
    patience: Patience = field(default_factory=lambda: Patience(_PATIENCE))


def is_for(elf: Elf, arch: Arch) -> bool:
    """Tell whether a file is for an architecture, as far as its header says."""
    return (elf.machine, elf.bits, elf.big_endian) == (arch.elf, arch.bits, arch.big_endian)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is the matter with the files of a scene.

    Attributes:
        findings: The findings; they do not name the target yet.
        cut_short: Whether the files bring along more libraries than were followed.
    """

    findings: tuple[Finding, ...] = ()
    cut_short: bool = False


def judge(scene: Scene) -> Judgement:
    """Return what is the matter with the files of a scene."""
    loadable = {
        place: elf
        for place, elf in scene.elves.items()
        if elf.type in ("pie", "exec", "shared") and elf.machine not in _NO_PROCESSOR
    }
    fitting = {place: elf for place, elf in loadable.items() if is_for(elf, scene.target.arch)}
    loaded = {place: load(scene.files, place, scene.patience) for place in fitting}
    users = _users(loaded)
    lacking = {place: _lacking(place, loaded, users[place]) for place in fitting}
    at_start = {used for place, with_it in loaded.items() if _is_program(fitting[place]) for used in with_it.files}
    found = list(_other_architectures(scene, loadable, fitting))
    for place, elf in fitting.items():
        loads = [loaded[place], *(loaded[user] for user in users[place])]
        found += _of_file(scene, place, elf, loads, lacking[place])
        found += _of_segments(scene, place, elf, at_start=place in at_start)
    found += _libraries(scene, {place: lacking[place] for place, elf in fitting.items() if not _is_foreign(scene, elf)})
    found += _harmless(scene, fitting, loaded, found)
    extras = {scene.shown(place) for place in scene.elves if place in scene.extras}
    if scene.elves.keys() <= scene.extras:
        extras.add(scene.where)
    found = [_lighter(finding) if finding.path in extras else finding for finding in found]
    found = [*_false_tag(scene, fitting, found), *found]
    return Judgement(tuple(found), cut_short=scene.patience.left < 0)


def _users(loaded: Mapping[str, Loaded]) -> dict[str, list[str]]:
    """Return, for each file, the files that it is loaded for the sake of and that are loaded for no other's."""
    used = {place for with_it in loaded.values() for place in with_it.files[1:]}
    users: dict[str, list[str]] = {place: [] for place in loaded}
    for place, with_it in loaded.items():
        for other in with_it.files[1:] if place not in used else ():
            users.setdefault(other, []).append(place)
    return users


def _lacking(place: str, loaded: Mapping[str, Loaded], users: list[str]) -> tuple[str, ...]:
    """Return the libraries that a file needs and does not get.

    What is loaded for the sake of another file also finds its libraries where that one looks for its own.
    """
    return tuple(dict.fromkeys(name for one in users or [place] for name in loaded[one].lacking.get(place, ())))


def _is_program(elf: Elf) -> bool:
    return elf.type in ("pie", "exec")


def _lighter(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.WARNING) if finding.weight is Severity.ERROR else finding


def _finding(
    scene: Scene, rule: str, place: str | None, message: str, evidence: Iterable[str] = (), *,
    severity: Severity | None = None, guess: bool = False,
) -> Finding:  # fmt: skip
    lines = list(evidence)
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more"]
    return Finding(
        rules()[rule], scene.where if place is None else scene.shown(place), message, evidence=tuple(lines),
        severity=severity, guess=guess,
    )  # fmt: skip


def _other_architectures(scene: Scene, loadable: Mapping[str, Elf], fitting: Mapping[str, Elf]) -> Iterator[Finding]:
    others = {place: elf for place, elf in loadable.items() if place not in fitting}
    if not others:
        return
    kinds = sorted({_architecture(elf) for elf in others.values()})
    lines = [f"{scene.shown(place)}: {_architecture(elf)}" for place, elf in others.items()]
    arch = scene.target.arch.name
    if fitting:
        # Something for each of several architectures: whoever put it together knows which is which.
        message = f"{_files(len(others))} for {_listed(kinds)} beside {_what(len(fitting))} for {arch}"
        yield _finding(scene, "other-architecture", None, message, lines, severity=Severity.NOTE)
    elif len(others) == 1:
        yield _finding(scene, "other-architecture", next(iter(others)), f"it is for {kinds[0]}, not for {arch}")
    else:
        message = f"all {len(others)} files of machine code are for {_listed(kinds)}, none for {arch}"
        yield _finding(scene, "other-architecture", None, message, lines)


def _files(count: int) -> str:
    return "a file is" if count == 1 else f"{count} files are"


def _what(count: int) -> str:
    return "one" if count == 1 else str(count)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _architecture(elf: Elf) -> str:
    from bivy.arch import ARCHES

    for arch in ARCHES.values():
        if is_for(elf, arch):
            return "32-bit Arm" if elf.machine == "EM_ARM" else arch.name
    name = elf.machine.removeprefix("EM_")
    return f"{name} ({elf.bits} bits, {'big' if elf.big_endian else 'little'}-endian)"


def _of_file(scene: Scene, place: str, elf: Elf, loads: list[Loaded], lacking: tuple[str, ...]) -> Iterator[Finding]:
    """Yield what is the matter with the loader and the symbols that a file asks for, and its libraries of glibc's."""
    if _has_other_loader(scene, elf):
        return
    unresolved = _unresolved(scene, elf, loads)
    newer = [symbol for symbol in unresolved if symbol.name in scene.newest]
    of_glibc = [symbol for symbol in unresolved if symbol not in newer and _is_glibcs(symbol)]
    others = [symbol for symbol in unresolved if symbol not in newer and symbol not in of_glibc]
    absent = [name for name in lacking if _GLIBC_LIBRARY.fullmatch(name)]
    if _is_foreign(scene, elf):
        message = f"it asks for the loader {elf.interpreter}, which is not there"
        yield _finding(scene, "loader-missing", place, message, _evidence(absent, of_glibc))
    elif is_linked_to_glibc(elf):
        if absent or of_glibc:
            yield _linked_to_glibc(scene, place, absent, of_glibc)
    elif of_glibc:
        message = f"it needs {_symbols(of_glibc)}, which glibc has and musl has not"
        yield _finding(scene, "symbol-missing", place, message, _evidence([], of_glibc), severity=Severity.ERROR)
    if newer:
        message = f"it needs {_symbols(newer)}, which {scene.musl} does not have yet"
        yield _finding(scene, "musl-too-old", place, message, [symbol.name for symbol in newer])
    if others and all(loaded.complete for loaded in loads):
        message = f"it needs {_symbols(others)}, which neither its libraries nor Python nor musl have"
        yield _finding(scene, "symbol-missing", place, message, _evidence([], others), guess=True)


def _unresolved(scene: Scene, elf: Elf, loads: list[Loaded]) -> list[Import]:
    """Return the symbols that a file cannot do without and that are nowhere.

    A library's symbols are also looked up in what it is loaded together with, for the sake of which it may be made.
    """
    program = _is_program(elf)
    left = [
        symbol
        for symbol in elf.imports
        if not symbol.weak
        and symbol.name not in scene.symbols
        and (program or not (symbol.name.startswith(("Py", "_Py")) or symbol.name in scene.hosts))
    ]
    for exported in _exports(scene, loads) if left else ():
        if not left or not scene.patience.spend(len(left)):
            break
        left = [symbol for symbol in left if symbol.name not in exported]
    return left if scene.patience.left >= 0 else []


def _exports(scene: Scene, loads: list[Loaded]) -> Iterator[frozenset[str]]:
    """Yield the names that each file of some has, and each library beside them, each once."""
    seen: set[int] = set()
    for loaded in loads:
        for elf in (*(scene.files.read(place) for place in loaded.files), *loaded.others):
            if not scene.patience.spend(1):
                return
            if elf is not None and id(elf) not in seen:
                seen.add(id(elf))
                yield _names(scene, elf)


def _names(scene: Scene, elf: Elf) -> frozenset[str]:
    known = scene.exports.get(id(elf))
    if known is None:
        known = scene.exports[id(elf)] = frozenset(symbol.name for symbol in elf.exports)
    return known


def _is_glibcs(symbol: Import) -> bool:
    return bool(_GLIBC_LIBRARY.fullmatch(symbol.file)) if symbol.file else symbol.name in glibc()


def is_linked_to_glibc(elf: Elf) -> bool:
    """Tell whether a file was linked to glibc: by the libraries that it needs, or the versions of symbols."""
    # GCC's own library has versions called GLIBC_2.0 too, with musl as with glibc: it is the library that counts.
    return any(
        _GLIBC_LIBRARY.fullmatch(name)
        for name in (*elf.needed, *(name for name, _ in elf.version_needs), elf.interpreter.rpartition("/")[2])
    )


def _linked_to_glibc(scene: Scene, place: str, absent: list[str], lacking: list[Import]) -> Finding:
    wants = [f"asks for {_listed(absent)}"] if absent else []
    wants += [f"needs {_symbols(lacking)}"] if lacking else []
    message = f"it is linked to glibc, and {' and '.join(wants)}, which musl has not"
    return _finding(scene, "linked-to-glibc", place, message, _evidence(absent, lacking))


def _harmless(
    scene: Scene, fitting: Mapping[str, Elf], loaded: Mapping[str, Loaded], found: list[Finding]
) -> Iterator[Finding]:
    """Note the files that are linked to glibc and load all the same, in one finding."""
    failing = {finding.path for finding in found if finding.weight is Severity.ERROR}
    places = [
        place
        for place, elf in fitting.items()
        if is_linked_to_glibc(elf)
        and not elf.interpreter
        and loaded[place].whole
        and failing.isdisjoint(map(scene.shown, loaded[place].files))
    ]
    if places:
        one = len(places) == 1
        what = "it is" if one else f"{len(places)} files are"
        message = f"{what} linked to glibc, but musl has all that {'it asks' if one else 'they ask'} for"
        yield _finding(
            scene,
            "linked-to-glibc",
            places[0] if one else None,
            message,
            () if one else map(scene.shown, places),
            severity=Severity.NOTE,
            guess=True,
        )


def _has_other_loader(scene: Scene, elf: Elf) -> bool:
    """Tell whether a program has a loader that is there and not musl's, such as gcompat's, with ways of its own."""
    return _is_foreign(scene, elf) and bool(scene.files.find(elf.interpreter.lstrip("/")))


def _is_foreign(scene: Scene, elf: Elf) -> bool:
    """Tell whether a file asks for a loader that is not the target's musl."""
    return elf.interpreter not in ("", f"/lib/{scene.target.arch.loader}")


def _symbols(symbols: list[Import]) -> str:
    if len(symbols) == 1:
        return f"the symbol {symbols[0].name}"
    return f"{len(symbols)} symbols ({', '.join(symbol.name for symbol in symbols[:2])}…)"


def _evidence(libraries: list[str], symbols: list[Import]) -> list[str]:
    lines = [f"needs {name}" for name in libraries]
    return lines + [f"{s.name}, {s.version}" if s.version else s.name for s in symbols]


def _libraries(scene: Scene, lacking: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """Yield a finding for each library that is nowhere, whichever files need it."""
    users: dict[tuple[str, bool], list[str]] = {}
    for place, names in lacking.items():
        for name in names:
            if not _GLIBC_LIBRARY.fullmatch(name):
                users.setdefault((name, place in scene.extras), []).append(place)
    for (name, extra), places in users.items():
        found = _library(scene, name, places)
        yield _lighter(found) if extra else found


def _library(scene: Scene, name: str, places: list[str]) -> Finding:
    place = places[0] if len(places) == 1 else None
    needs = f"{'it needs' if place else f'{len(places)} files need'} {name}"
    lines = [] if place else [scene.shown(user) for user in places]
    astray = scene.files.names.get(name, ())
    if astray:
        lines = [*(f"{scene.shown(other)} is there" for other in astray), *lines]
        message = f"{needs}, to which nothing leads from where {'it is' if place else 'they are'}"
        return _finding(scene, "library-astray", place, message, lines, guess=True)
    version = re.fullmatch(r"libpython(3\.\d+)t?\.so\.1\.0", name)
    if version and version[1] != scene.target.python:
        message = f"{needs}: made for Python {version[1]}, not {scene.target.python}"
        return _finding(scene, "library-missing", place, message, lines)
    package = alpine_packages().get(name)
    if package:
        message = f"{needs}, which Alpine's package {package} brings"
        lines = [f"apk add {package}", *lines]
        return _finding(scene, "library-missing", place, message, lines, severity=Severity.WARNING)
    return _finding(
        scene,
        "library-missing",
        place,
        f"{needs}, which is neither beside {'it' if place else 'them'} nor in the image",
        lines,
    )


def _of_segments(scene: Scene, place: str, elf: Elf, *, at_start: bool) -> Iterator[Finding]:
    """Yield what is the matter with how a file wants to be in memory."""
    if elf.static_tls and elf.tls and not at_start:
        message = "its thread-local variables have to be there when the program starts, and it is loaded later"
        yield _finding(scene, "static-tls", place, message)
    if elf.stack == "executable":
        message = "it says that it needs an executable stack"
        yield _finding(scene, "executable-stack", place, message, guess=not _is_program(elf))
    if elf.text_relocations:
        yield _finding(scene, "text-relocations", place, "the loader has to write into its code")


def _false_tag(scene: Scene, fitting: Mapping[str, Elf], found: list[Finding]) -> Iterator[Finding]:
    if not any(platform.startswith("musllinux_") for platform in scene.platforms):
        return
    linked = [place for place, elf in fitting.items() if is_linked_to_glibc(elf)]
    if not linked:
        return
    paths = {scene.shown(place) for place in linked}
    fails = any(finding.path in paths and finding.weight is Severity.ERROR for finding in found)
    count = "a file" if len(linked) == 1 else f"{len(linked)} files"
    tags = sorted(platform for platform in scene.platforms if platform.startswith("musllinux_"))
    message = f"it is tagged {', '.join(tags)}, and has {count} linked to glibc"
    yield _finding(
        scene, "false-musllinux-tag", None, message, sorted(paths), severity=None if fails else Severity.WARNING
    )
