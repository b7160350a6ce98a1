"""Why a build failed, found in its log: the missing header, library or program, and the package that has it."""

from __future__ import annotations

import functools
import posixpath
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LARGEST: Final = 4 << 20
"""Characters of a log that are looked at: its end is what counts."""
_MOST: Final = 6
FROM_PYPI: Final = ("cmake", "ninja", "meson", "cython", "swig")
"""Programs that come as wheels as well: a build can require them."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a build looked for.

    Attributes:
        kind: ``header``, ``library``, ``program`` or ``module`` (of pkg-config's).
        name: Its name.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a build failed.

    Attributes:
        what: In a sentence.
        packages: The Alpine packages that would help.
        requires: What the build could require that would help.
        advice: What else to do.
    """

    what: str
    packages: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    advice: str = ""


_WORDS: Final = {
    "header": "the header {name} is missing",
    "library": "the library {name} (-l{name}) is missing",
    "program": "the program {name} is missing",
    "module": "the library that pkg-config, CMake or Meson calls {name} is missing",
}
_PATTERNS: Final[tuple[tuple[str, str], ...]] = (
    ("header", r"fatal error: '([^'\n]+)' file not found"),
    ("header", r"fatal error: ([\w./+-]+\.(?:h|hpp|hh)): No such file or directory"),
    ("header", r"error: ([\w./+-]+\.h) header not found"),
    ("library", r"""unable to find (?:dynamic |static )?(?:system )?library ['"]([^'"\n]+)['"]"""),
    ("library", r"(?:unable to find library|cannot find) -l([\w.+-]+)"),
    ("program", r"(?:^|\W)(?:Error: )?([\w.+-]+_config|[\w.+-]+-config) executable not found"),
    ("program", r"(?:FileNotFoundError|No such file or directory)[^\n]*: '([\w.+-]+)'\s*$"),
    ("program", r"(?:sh|/bin/sh|make)(?:: line \d+)?: ([\w.+-]+): not found"),
    ("program", r"Something went wrong bootstrapping (make)file fragments"),
    ("program", r"env: can't execute '([\w.+-]+)'"),
    ("program", r"error: command '([\w.+-]+)' failed: No such file or directory"),
    ("program", r"Program '?([\w.+-]+)'? not found or not executable"),
    ("program", r"ERROR: Program(?:\(s\))? \[?'([\w.+-]+)'\]? not found"),
    ("program", r"Could not find (?:the )?executable[: ]+([\w.+-]+)"),
    ("module", r"Package '?([\w.+-]+)'?(?:, required by '[^']*',)? (?:not found|was not found)"),
    ("module", r'(?:ERROR: )Dependency "([\w.+ -]+)" not found'),
    ("module", r"Dependency lookup for ([\w.+-]+) with method"),
    ("module", r"Could NOT find ([\w.+-]+)"),
    ("module", r'Could not find a package configuration file provided by "([\w.+-]+)"'),
    ("module", r"The following required packages were not found:\s+-\s*([\w.+-]+)"),
)
_RUST: Final = (
    r"can't find Rust compiler|[Cc]argo[^\n]{0,60}not (?:found|installed)|rustc[^\n]{0,40}not found|'cargo'$|'rustc'$"
)
_FORTRAN: Final = (
    r"(?:No|Could not find|Unknown) (?:a )?Fortran [Cc]ompiler|gfortran[^\n]{0,60}(?:not found|No such file)|"
    r"\[\['gfortran'\]|CMAKE_Fortran_COMPILER"
)
_NETWORK: Final = (
    r"Temporary failure in name resolution|Network is unreachable|Name does not resolve|[Cc]ould not resolve host|"
    r"Name or service not known|urlopen error|bad address '|getaddrinfo failed|Failed to establish a new connection|"
    r"\[Errno -3\] Try again|\[Errno -2\]"
)
_OF_C: Final = (
    r"error: [^\n]*?(?:undeclared|no member named|incomplete (?:definition of )?type|unknown type name|"
    r"too (?:few|many) arguments|incompatible)[^\n]*?"
    r"(?:'_?Py\w+|ob_digit|tp_print|f_code|co_\w+|_frame|ob_refcnt|struct _ts)"
)


def explain(log: str, *, name: str, python: str, packages: Sequence[str] = ()) -> tuple[Fault, ...]:
    """Return why a build failed, as far as its log tells; nothing where it does not.

    Args:
        log: What the build said.
        name: The distribution's normalised name.
        python: The minor version of Python.
        packages: The packages that bivy knows the distribution needs, and which the build was not given.
    """
    log = re.sub(r"\x1b\[[0-9;]*m", "", log[-_LARGEST:])
    for reading in (_language, _network):
        fault = reading(log)
        if fault:
            return (fault,)
    found = [*_missing(log)]
    if any(fault.packages for fault in found) or packages:
        # It comes along with packages.
        found = [fault for fault in found if fault.requires != ("pkgconf",)]
    if packages and not any(fault.packages for fault in found):
        found.append(Fault(f"{name} is known to need {', '.join(packages)}", tuple(packages)))
    found += filter(None, (reading(log) for reading in (_modules, _flags, _features, _memory)))
    found += filter(None, [_python(log, python)]) if not found else ()
    return tuple(found[:_MOST])


def _language(log: str) -> Fault | None:
    if re.search(_RUST, log, re.MULTILINE):
        return Fault(other_language("Rust"))
    if re.search(_FORTRAN, log):
        return Fault(other_language("Fortran"))
    return None


def other_language(language: str) -> str:
    """Return the sentence on a language that bivy has no compiler of."""
    compiler = {"Rust": "cargo and rustc", "Fortran": "gfortran", "Go": "go"}[language]
    return f"it is written in {language}, and takes {compiler} to compile, which bivy does not have yet"


def _network(log: str) -> Fault | None:
    found = re.search(_NETWORK, log)
    if not found:
        return None
    line = log[log.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0].strip()
    return Fault(
        f"the build wants to fetch something, and has no network: {line[:200]}",
        advice="--network gives it one; what it fetches then is not checked",
    )


def _missing(log: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for kind, pattern in _PATTERNS:
        for found in re.finditer(pattern, log, re.MULTILINE):
            need = Need(kind, found[1].strip())
            package = package_of(need)
            mark = package or need.name
            if mark in seen or (not package and kind in ("module", "program") and not _is_telling(need)):
                continue
            seen.add(mark)
            what = _WORDS[kind].format(name=need.name)
            if need.name in ("pkg-config", "pkgconf"):
                yield Fault(what, requires=("pkgconf",), advice="it asks for a library: name its package with --with")
            elif need.name in FROM_PYPI:
                yield Fault(what, requires=(need.name,))
            elif need.name in ("omp.h", "omp", "gomp"):
                yield Fault(f"{what}: the compiler has no OpenMP")
            elif need.name == "Python.h":
                yield Fault(
                    "the base image has no Python.h", advice="name an image that has Python's headers with --base"
                )
            elif package:
                yield Fault(f"{what}, which Alpine's package {package} has", (package,))
            else:
                yield Fault(f"{what}, and bivy does not know which package has it")


def _is_telling(need: Need) -> bool:
    """Tell whether what was looked for and not found is likely to matter: many builds look, and go on without."""
    return need.kind == "program" and need.name not in (
        "git",
        "lsb_release",
        "ldconfig",
        "uname",
        "hg",
        "svn",
        "svnversion",
    )


def _modules(log: str) -> Fault | None:
    found = re.findall(r"^(?:ModuleNotFoundError|ImportError): No module named '([\w.]+)'", log, re.MULTILINE)
    if not found:
        return None
    module = found[-1].partition(".")[0]
    requires = {
        "pkg_resources": "setuptools<81",
        "distutils": "setuptools",
        "Cython": "cython",
        "imp": "zombie-imp",
        "yaml": "pyyaml",
    }
    return Fault(
        f"its build imports {module}, which it does not say that it requires", requires=(requires.get(module, module),)
    )


def _flags(log: str) -> Fault | None:
    found = re.search(
        r"error: (?:unsupported linker (?:arg|extension flag)|unknown argument):? '?([^'\n]+?)'?$", log, re.MULTILINE
    )
    return Fault(f"bivy's compiler does not take the option {found[1]}") if found else None


def _features(log: str) -> Fault | None:
    found = re.search(r"always_inline function '(\w+)' requires target feature '([\w.+-]+)'", log)
    if not found:
        return None
    return Fault(
        f"its code is for processors that have {found[2]}, and not all have it",
        advice=f"--env CFLAGS=-m{found[2]} compiles it for those that have; the wheel is then for these alone",
    )


def _memory(log: str) -> Fault | None:
    found = re.search(r"^Killed$|[Cc]annot allocate memory|MemoryError|OutOfMemory|signal 9", log, re.MULTILINE)
    return Fault("the machine had not enough memory", advice="--jobs 1 takes less at a time") if found else None


def _python(log: str, python: str) -> Fault | None:
    if re.search(r"SyntaxError: Missing parentheses in call to 'print'|except \w+, \w+:", log):
        return Fault("its build is written for Python 2", advice="look for a newer version of it")
    if re.search(_OF_C, log):
        found = re.search(_OF_C, log)
        assert found
        return Fault(
            f"its C code is not for Python {python}: {found[0].partition('error: ')[2][:160]}",
            advice="look for a newer version of it",
        )
    return None


@functools.cache
def _table() -> Mapping[Need, str]:
    table = tomllib.loads(files("bivy.wheels").joinpath("needs.toml").read_text("utf-8"))
    kinds = {"headers": "header", "libraries": "library", "programs": "program", "modules": "module"}
    return {
        Need(kind, name.lower() if kind == "module" else name): package
        for package, entry in table.items()
        for key, kind in kinds.items()
        for name in entry.get(key, ())
    }


def package_of(need: Need) -> str:
    """Return the Alpine package that has what a build looked for; empty where bivy does not know."""
    table = _table()
    if need.kind == "module":
        return table.get(Need("module", need.name.lower()), "") or table.get(
            Need("module", f"lib{need.name.lower()}"), ""
        )
    if need.kind != "header":
        return table.get(need, "")
    path = need.name
    if found := table.get(need):
        return found
    while path := posixpath.dirname(path):
        if found := table.get(Need("header", f"{path}/")):
            return found
    return ""
