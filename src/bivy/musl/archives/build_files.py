"""Which libraries the build files of a source archive ask for: Meson's, CMake's and Cargo's; best effort.

What stands there is found by its form, not by running anything: Meson's reference manual (``dependency``), CMake's
(``find_package``, ``pkg_check_modules``), and Cargo's custom that a crate named ``NAME-sys`` links the library NAME.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}"
_MESON_DEPENDENCY = re.compile(rf"\b(?:dependency|find_library)\s*\(\s*'({_NAME})'")
_MESON_LANGUAGES = re.compile(r"\b(?:project|add_languages)\s*\(([^)]{0,500})\)")
_CMAKE_PACKAGE = re.compile(rf"\bfind_package\s*\(\s*({_NAME})", re.IGNORECASE)
_CMAKE_MODULES = re.compile(r"\bpkg_(?:check|search)_modules?\s*\(\s*\w{1,64}([^)]{0,500})\)", re.IGNORECASE)
_CMAKE_WORDS = {"REQUIRED", "QUIET", "IMPORTED_TARGET", "GLOBAL", "NO_CMAKE_PATH", "NO_CMAKE_ENVIRONMENT_PATH"}
_SYSTEM_CRATE = re.compile(r"^\s{0,8}(?:name\s{0,8}=\s{0,8}\")?([a-z0-9_-]{1,60})-sys\b", re.MULTILINE)
# What a build of a Python distribution brings or the C library has, and libraries of other systems than Linux.
_NOT_LIBRARIES = {
    "python", "python3", "python-3", "pythoninterp", "pythonlibs", "pythonextensions", "pybind11", "nanobind", "numpy",
    "cython", "f2py", "threads", "m", "dl", "rt", "pthread", "git", "packagehandlestandardargs", "skbuild", "sphinx",
    "doxygen", "pkgconfig", "vcvars", "appleframeworks", "advapi32", "bcrypt", "comctl32", "gdi32", "kernel32", "ole32",
    "psapi", "shell32", "user32", "ws2_32",
}  # fmt: skip
_NOT_CRATES = re.compile(
    r"windows|wasi|js|web|core-foundation|security-framework|system-configuration|linux-raw|mach.*|.*-win.*|.*apple.*|"
    r"io-kit|winapi.*|objc.*"
)
_MESON_NAMES = {"c": "c", "cpp": "c++", "cython": "cython", "fortran": "fortran", "rust": "rust", "cuda": "cuda"}


def libraries_in(path: str, content: bytes) -> Iterator[str]:
    """Yield the names of libraries that a build file asks for, as it writes them.

    Args:
        path: The file; its name says which kind it is.
        content: What is in it.
    """
    text = content.decode(errors="replace")
    match path.rpartition("/")[2]:
        case "meson.build":
            names = _MESON_DEPENDENCY.findall(_without_comments(text))
        case "CMakeLists.txt":
            names = list(_cmake(_without_comments(text)))
        case "Cargo.toml" | "Cargo.lock":
            names = [name for name in _SYSTEM_CRATE.findall(text) if not _NOT_CRATES.fullmatch(name)]
        case _:
            names = []
    for name in names:
        if name.lower() not in _NOT_LIBRARIES:
            yield name


def languages_in(path: str, content: bytes) -> Iterator[str]:
    """Yield the languages that a ``meson.build`` asks for."""
    if path.rpartition("/")[2] == "meson.build":
        for arguments in _MESON_LANGUAGES.findall(_without_comments(content.decode(errors="replace"))):
            for word in re.findall(r"'(\w+)'", arguments.partition("version")[0]):
                if word in _MESON_NAMES:
                    yield _MESON_NAMES[word]


def _cmake(text: str) -> Iterator[str]:
    yield from _CMAKE_PACKAGE.findall(text)
    for arguments in _CMAKE_MODULES.findall(text):
        for word in arguments.split():
            name = re.match(_NAME, word)
            if name and word not in _CMAKE_WORDS:
                yield re.split(r"[<>=]", name[0])[0]


def _without_comments(text: str) -> str:
    return re.sub(r"(?m)#.*$", "", text)
