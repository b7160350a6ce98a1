"""Whether a source archive has to be compiled, and what that takes."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bivy.musl.archives.standards import normalised
from bivy.musl.dependencies.choose import wheel_parts
from bivy.musl.dependencies.known import Known, known_distributions
from bivy.musl.report import Need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bivy.musl.dependencies.lock import File, Locked
    from bivy.musl.target import Target


class Compiles(enum.Enum):
    """Whether a source archive is compiled when it is installed."""

    YES = enum.auto()
    OPTIONAL = enum.auto()
    """Where there is a compiler; it is installed without one as well."""
    NO = enum.auto()
    UNKNOWN = enum.auto()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a source archive says of its build.

    Attributes:
        backend: What builds it (PEP 517).
        build_requires: The requirements of its build (PEP 518).
        languages: The compiled languages that its files are in.
        extensions: Whether building it compiles something; ``None`` where that cannot be told.
        optional: Whether the build goes on where compiling fails.
        libraries: Libraries that its build looks for.
        tools: Programs that its build runs.
        known_from: For each language, library and tool the file from which it is known.
        complete: Whether all of it was read.
    """

    backend: str = ""
    build_requires: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    extensions: bool | None = None
    optional: bool = False
    libraries: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    known_from: dict[str, str] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Build:
    """What installing from a source archive comes to.

    Attributes:
        compiles: Whether it is compiled.
        why: The reason, in one sentence.
        guess: Whether that rests on a rule of thumb.
        evidence: What it rests on, a line each.
        needs: What compiling takes.
    """

    compiles: Compiles
    why: str
    guess: bool = False
    evidence: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()


# What a build that requires one of these does, and with what (their own documentation).
_COMPILING: Final = {
    "cython": "c",
    "cffi": "c",
    "pybind11": "c++",
    "nanobind": "c++",
    "numpy": "c",
    "maturin": "rust",
    "setuptools-rust": "rust",
    "puccinialin": "rust",
    "meson-python": "c",
    "scikit-build": "c++",
    "scikit-build-core": "c++",
    "py-build-cmake": "c++",
    "cmake": "c++",
    "cppy": "c++",
    "sip": "c++",
    "swig": "c++",
    "mypy": "c",
    "pythran": "c++",
    "setuptools-golang": "go",
}
_BESIDES: Final = ("cuda",)  # what is compiled where there is such hardware
_COMPILER_OF: Final = {"cython": "c", "swig": "c", "assembler": "c"}
_TOOLS: Final = {"scikit-build": "cmake", "scikit-build-core": "cmake", "py-build-cmake": "cmake", "cmake": "cmake",
                 "meson-python": "meson", "swig": "swig"}  # fmt: skip
_COMPILED: Final = "Only its source fits, and that has to be compiled."
_OPTIONAL: Final = "Only its source fits; what is compiled in it is left out where there is no compiler."
_CARRIED: Final = (
    "Only its source fits, and nothing in it is compiled; but each of its wheels is for one platform, so they carry "
    "something that its source may lack."
)
_PLAIN: Final = "Only its source fits, and nothing in it is compiled."


def judge(package: Locked, facts: Facts | None, target: Target) -> Build:
    """Say whether a distribution's source archive is compiled.

    Args:
        package: The distribution, with all its files.
        facts: What the source archive says, or ``None`` where it was not read.
        target: What for.
    """
    known = known_distributions().get(package.name, Known())
    judged = (
        _from_known(known, "optional")
        or _from_facts(facts, package.files)
        or _from_known(known, "yes", "no")
        or _from_wheels(package.files)
        or _from_build_requirements(facts)
        or _not_known()
    )
    needs: list[Need] = []
    if judged.compiles in (Compiles.YES, Compiles.OPTIONAL):
        needs = _needs(known, facts, target)
        if not any(need.kind == "compiler" for need in needs):
            needs.insert(0, Need("compiler", "c", "a rule of thumb: most extension modules are in C"))
    evidence = (*judged.evidence, *_seen(package.files), *_stated(facts, known))
    return Build(judged.compiles, judged.why, judged.guess, tuple(dict.fromkeys(evidence)), tuple(needs))


def _from_known(known: Known, *when: str) -> Build | None:
    if known.compiles not in when:
        return None
    evidence = (f"bivy's list, from {known.known_from}",)
    return {
        "yes": Build(Compiles.YES, _COMPILED, evidence=evidence),
        "optional": Build(Compiles.OPTIONAL, _OPTIONAL, evidence=evidence),
        "no": Build(Compiles.NO, _PLAIN, evidence=evidence),
    }[known.compiles]


def _from_facts(facts: Facts | None, files: Sequence[File]) -> Build | None:
    if not facts or facts.extensions is None:
        return None
    if not facts.extensions and facts.languages:  # something may compile them that is not an extension module
        return None
    if not facts.extensions:
        wheels = [parts for file in files if (parts := wheel_parts(file.name))]
        if wheels and all("any" not in parts.platforms for parts in wheels):
            return Build(Compiles.NO, _CARRIED, guess=True)
        return Build(Compiles.NO, _PLAIN)
    if facts.optional:
        return Build(Compiles.OPTIONAL, _OPTIONAL, guess=True)
    return Build(Compiles.YES, _COMPILED)


def _from_build_requirements(facts: Facts | None) -> Build | None:
    """Judge by what a build requires, or the languages of its files: a rule of thumb."""
    if not facts:
        return None
    if _telling(facts.build_requires) or facts.languages:
        return Build(Compiles.YES, "Only its source fits, and that has to be compiled, as it seems.", guess=True)
    return Build(Compiles.NO, "Only its source fits, and nothing in it is compiled, as it seems.", guess=True)


def _not_known() -> Build:
    why = "Only its source fits, and whether that is compiled could not be found out."
    return Build(Compiles.UNKNOWN, why, guess=True)


def _from_wheels(files: Sequence[File]) -> Build | None:
    """Judge by the wheels for other platforms: a rule of thumb."""
    wheels = [parts for file in files if (parts := wheel_parts(file.name))]
    if not wheels:
        return None
    if any("any" in parts.platforms for parts in wheels):
        return Build(Compiles.NO, "Only its source fits; wheels for every platform are made from it.", guess=True)
    why = "Only its source fits, and that is compiled: each of its wheels is for one platform."
    return Build(Compiles.YES, why, guess=True)


def _telling(requirements: Iterable[str]) -> list[str]:
    return [name for name in map(_requirement_name, requirements) if name in _COMPILING]


def _requirement_name(requirement: str) -> str:
    found = re.match(r"\s*([A-Za-z0-9][\w.-]*)", requirement)
    return normalised(found[1]) if found else ""


def _needs(known: Known, facts: Facts | None, target: Target) -> list[Need]:
    needs: dict[tuple[str, str], Need] = {}

    def add(kind: str, name: str, known_from: str) -> None:
        needs.setdefault((kind, name), Need(kind, name, known_from))

    listed = f"bivy's list, from {known.known_from}"
    for kind, names in (("compiler", known.compilers), ("package", known.packages), ("tool", known.tools)):
        for name in names:
            add(kind, name, listed)
    if facts:
        _add_stated(facts, known, add)
        for requirement in facts.build_requires:
            if _applies(requirement, target):
                add("build", requirement, "pyproject.toml")
    return list(needs.values())


def _add_stated(facts: Facts, known: Known, add: Callable[[str, str, str], None]) -> None:
    """Add what a source archive's files say; where bivy's list has it, that is more exact."""
    for language in () if known.compilers else facts.languages:
        if language in _BESIDES:
            continue
        compiler = _COMPILER_OF.get(language, language)
        add("compiler", compiler, facts.known_from.get(language, "the source archive's files"))
    for name in _telling(facts.build_requires):
        if not facts.languages and not known.compilers:
            add("compiler", _COMPILING[name], f"its build requires {name}")
        if name in _TOOLS:
            add("tool", _TOOLS[name], f"its build requires {name}")
    for tool in () if known.compilers else facts.tools:
        add("tool", tool, facts.known_from.get(tool, "the source archive's files"))


def _applies(requirement: str, target: Target) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        marker = Requirement(requirement).marker
    except InvalidRequirement:
        return True
    return marker is None or marker.evaluate({**target.markers, "extra": ""})


def _seen(files: Sequence[File]) -> list[str]:
    platforms: dict[str, None] = {}
    for file in files:
        parts = wheel_parts(file.name)
        for platform in parts.platforms if parts else ():
            platforms[_family(platform)] = None
    if not platforms:
        return ["no wheel at all, a source archive alone"]
    return [f"wheels for {', '.join(platforms)}, none that fits"]


def _family(platform: str) -> str:
    for start, family in (("manylinux", "manylinux"), ("musllinux", "musllinux"), ("macosx", "macOS"),
                          ("win", "Windows"), ("linux", "linux"), ("ios", "iOS"), ("android", "Android")):  # fmt: skip
        if platform.startswith(start):
            return family
    return "every platform" if platform == "any" else platform


def other_platforms(files: Sequence[File]) -> str:
    """Say what a distribution's wheels are for: ``wheels for manylinux, macOS``; empty where there are none."""
    line = _seen(files)[0]
    return line.removesuffix(", none that fits") if line.startswith("wheels") else ""


def _stated(facts: Facts | None, known: Known) -> list[str]:
    if not facts:
        return ["its source archive was not read"]
    lines = []
    if facts.backend:
        lines.append(f"its build backend is {facts.backend}")
    if facts.build_requires:
        lines.append(f"its build requires {', '.join(facts.build_requires)}")
    if facts.languages:
        lines.append(f"it has files in {', '.join(facts.languages)}")
    if facts.libraries and not known.packages:
        lines.append(f"it links with {', '.join(facts.libraries)}")
    if not facts.complete:
        lines.append("only the beginning of its source archive was read")
    return lines
