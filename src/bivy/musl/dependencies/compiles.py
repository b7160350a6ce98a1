"""Whether a source archive has to be compiled, and what that takes."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.musl.dependencies.choose import wheel_parts
from bivy.musl.dependencies.known import Known, known_distributions
from bivy.musl.report import Need

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bivy.musl.dependencies.lock import File, Locked


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
        backend: ``build-backend`` of its ``pyproject.toml``, empty where there is none (then it is setuptools).
        build_requires: The requirements of its build (PEP 518).
        languages: The compiled languages that its files are in: ``c``, ``c++``, ``rust``, ``fortran``, ``go``,
            ``cython``.
        extensions: Extension modules that it names.
        optional: Whether it says that these may be left out.
        libraries: Libraries that its build looks for.
        complete: Whether all of it was read.
    """

    backend: str = ""
    build_requires: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    optional: bool = False
    libraries: tuple[str, ...] = ()
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
    "cython": ("c",),
    "cffi": ("c",),
    "pybind11": ("c++",),
    "nanobind": ("c++",),
    "numpy": ("c",),
    "maturin": ("rust",),
    "setuptools-rust": ("rust",),
    "puccinialin": ("rust",),
    "meson-python": ("c",),
    "scikit-build": ("c++",),
    "scikit-build-core": ("c++",),
    "py-build-cmake": ("c++",),
    "cmake": ("c++",),
    "cppy": ("c++",),
    "sip": ("c++",),
    "swig": ("c++",),
    "mypy": ("c",),
    "pythran": ("c++",),
    "setuptools-golang": ("go",),
}
_TOOLS: Final = {"scikit-build": "cmake", "scikit-build-core": "cmake", "py-build-cmake": "cmake", "cmake": "cmake",
                 "meson-python": "meson", "swig": "swig"}  # fmt: skip
# Backends that compile nothing, unless a plug-in or a build script does it for them.
_PLAIN: Final = ("hatchling", "flit_core", "flit", "poetry.core", "poetry", "pdm.backend", "pdm.pep517", "uv_build",
                 "whey", "trampolim", "pbr")  # fmt: skip
_PLUG_INS: Final = re.compile(r"hatch-(cython|mypyc|build-scripts|ziglang)|hatch-rs|hatch-cpp|ziglang|setuptools$")


def judge(package: Locked, facts: Facts | None) -> Build:
    """Say whether a distribution's source archive is compiled.

    Args:
        package: The distribution, with all its files.
        facts: What the source archive says, or ``None`` where it was not read.
    """
    known = known_distributions().get(package.name, Known())
    judged = _from_known(known) or _from_facts(facts) or _from_wheels(package.files, facts)
    needs: list[Need] = []
    if judged.compiles in (Compiles.YES, Compiles.OPTIONAL):
        needs = _needs(known, facts)
        if not any(need.kind == "compiler" for need in needs):
            needs.insert(0, Need("compiler", "c", "a rule of thumb: most extension modules are in C"))
    evidence = (*judged.evidence, *_seen(package.files), *_stated(facts))
    return Build(judged.compiles, judged.why, judged.guess, tuple(dict.fromkeys(evidence)), tuple(needs))


def _from_known(known: Known) -> Build | None:
    evidence = (f"bivy's list, from {known.known_from}",)
    if known.compiles == "yes":
        return Build(Compiles.YES, "Only its source fits, and that has to be compiled.", evidence=evidence)
    if known.compiles == "optional":
        why = "Only its source fits; what is compiled in it may be left out."
        return Build(Compiles.OPTIONAL, why, evidence=evidence)
    if known.compiles == "no":
        return Build(Compiles.NO, "Only its source fits, and nothing in it is compiled.", evidence=evidence)
    return None


def _from_facts(facts: Facts | None) -> Build | None:
    if not facts:
        return None
    if facts.optional:
        why = "Only its source fits; what is compiled in it may be left out."
        return Build(Compiles.OPTIONAL, why, guess=True)
    tells = _telling(facts.build_requires)
    backend = facts.backend.split(":")[0]
    if facts.extensions or (tells and (facts.languages or not facts.complete)):
        return Build(Compiles.YES, "Only its source fits, and that has to be compiled.")
    if tells or facts.languages:
        plain = backend.startswith(_PLAIN) and not tells
        if not plain:
            return Build(Compiles.YES, "Only its source fits, and that has to be compiled, as it seems.", guess=True)
    plugged = any(_PLUG_INS.search(_requirement_name(each)) for each in facts.build_requires)
    if backend.startswith(_PLAIN) and not plugged:
        return Build(Compiles.NO, "Only its source fits, and nothing in it is compiled.")
    if facts.complete and not facts.languages:
        return Build(Compiles.NO, "Only its source fits, and there is nothing in it to compile.")
    return None


def _from_wheels(files: Sequence[File], facts: Facts | None) -> Build:
    """Judge by the wheels for other platforms: a rule of thumb."""
    del facts
    wheels = [parts for file in files if (parts := wheel_parts(file.name))]
    if not wheels:
        return Build(
            Compiles.UNKNOWN, "Only its source fits, and whether that is compiled could not be found out.", guess=True
        )
    if any("any" in parts.platforms for parts in wheels):
        return Build(Compiles.NO, "Only its source fits; wheels for every platform are made from it.", guess=True)
    return Build(
        Compiles.YES, "Only its source fits, and that is compiled: all its wheels are for one platform.", guess=True
    )


def _telling(requirements: Iterable[str]) -> list[str]:
    return [name for name in map(_requirement_name, requirements) if name in _COMPILING]


def _requirement_name(requirement: str) -> str:
    found = re.match(r"\s*([A-Za-z0-9][\w.-]*)", requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def _needs(known: Known, facts: Facts | None) -> list[Need]:
    needs: dict[tuple[str, str], Need] = {}

    def add(kind: str, name: str, known_from: str) -> None:
        needs.setdefault((kind, name), Need(kind, name, known_from))

    listed = f"bivy's list, from {known.known_from}"
    for kind, names in (("compiler", known.compilers), ("package", known.packages), ("tool", known.tools)):
        for name in names:
            add(kind, name, listed)
    if facts:
        for language in facts.languages:
            add("compiler", "c" if language == "cython" else language, "the source archive's files")
        for name in _telling(facts.build_requires):
            for compiler in _COMPILING[name]:
                if not (compiler == "c" and any(kind == "compiler" for kind, _ in needs)):
                    add("compiler", compiler, f"its build requires {name}")
            if name in _TOOLS:
                add("tool", _TOOLS[name], f"its build requires {name}")
        for requirement in facts.build_requires:
            add("build", requirement, "pyproject.toml")
    return list(needs.values())


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
    for start, family in (("manylinux", "manylinux"), ("musllinux", "musllinux"), ("macosx", "macOS"), ("win", "Windows"),
                          ("linux", "linux"), ("ios", "iOS"), ("android", "Android")):  # fmt: skip
        if platform.startswith(start):
            return family
    return "every platform" if platform == "any" else platform


def other_platforms(files: Sequence[File]) -> str:
    """Say what a distribution's wheels are for: ``wheels for manylinux, macOS``; empty where there are none."""
    line = _seen(files)[0]
    return line.removesuffix(", none that fits") if line.startswith("wheels") else ""


def _stated(facts: Facts | None) -> list[str]:
    if not facts:
        return ["its source archive was not read"]
    lines = []
    if facts.backend:
        lines.append(f"its build backend is {facts.backend}")
    if facts.build_requires:
        lines.append(f"its build requires {', '.join(facts.build_requires)}")
    if facts.extensions:
        lines.append(
            f"it builds {', '.join(facts.extensions[:5])}" + (" and more" if len(facts.extensions) > 5 else "")
        )
    if facts.languages:
        lines.append(f"it has files in {', '.join(facts.languages)}")
    if facts.libraries:
        lines.append(f"it links with {', '.join(facts.libraries)}")
    if not facts.complete:
        lines.append("only the beginning of its source archive was read")
    return lines
