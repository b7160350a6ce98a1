"""What a source archive is written in and built with, as far as the names of its files tell."""

from __future__ import annotations

import re

_ENDINGS = {
    ".c": "c",
    ".cc": "c++",
    ".cpp": "c++",
    ".cxx": "c++",
    ".c++": "c++",
    ".pyx": "cython",
    ".rs": "rust",
    ".f": "fortran",
    ".for": "fortran",
    ".f77": "fortran",
    ".f90": "fortran",
    ".f95": "fortran",
    ".f03": "fortran",
    ".f08": "fortran",
    ".go": "go",
    ".cu": "cuda",
    ".s": "assembler",
    ".asm": "assembler",
    ".zig": "zig",
}
_NAMES = {"Cargo.toml": "rust", "go.mod": "go"}
_TOOLS = {
    "CMakeLists.txt": "cmake",
    "meson.build": "meson",
    "configure": "configure",
    "configure.ac": "autoconf",
    "SConstruct": "scons",
    "Cargo.toml": "cargo",
    "go.mod": "go",
}
# Files in these folders are not what installing it compiles.
_ASIDE = re.compile(
    r"_?(tests?|testing|test[ _-].*|testdata|docs?|examples?|samples?|benchmarks?|bench|demos?|fuzz|fuzzing)"
)
_FOREIGN = re.compile(r"_?(vendor(ed)?([-_].*)?|third[-_]?party|extern(al)?|deps|submodules|subprojects)")

COMPILED = frozenset({"c", "c++", "cython", "rust", "fortran", "go", "cuda", "assembler", "zig"})


def is_aside(path: str) -> bool:
    """Tell whether a file is in a folder of tests, documentation or examples."""
    return any(_ASIDE.fullmatch(part.lower()) for part in path.split("/")[:-1])


def is_foreign(path: str) -> bool:
    """Tell whether a file is in a folder of other projects' sources."""
    return any(_FOREIGN.fullmatch(part.lower()) for part in path.split("/")[:-1])


def language_of(path: str) -> str:
    """Return the language that a file's name tells, such as ``c++``; empty for none of those that are compiled."""
    name = path.rpartition("/")[2]
    return _NAMES.get(name) or _ENDINGS.get("." + name.rpartition(".")[2].lower() if "." in name else "", "")


def tool_of(path: str) -> str:
    """Return the build tool that a file at the top of a project is for, such as ``cmake``; empty for none."""
    return _TOOLS.get(path, "")
