"""Where a project's version stands that its ``pyproject.toml`` does not say; looked up, and never by running code."""

from __future__ import annotations

import ast
import contextlib
import re
import tomllib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bivy.tables import table_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_NAMES: Final = ("__version__", "VERSION", "version", "__VERSION__")
_MODULES: Final = ("__init__.py", "__about__.py", "_version.py", "version.py", "__version__.py")
_LIMIT: Final = 1 << 20
# Written into the file by tools that make up the version from git, to be read where there is no git.
_WRITTEN: Final = (
    ("hatch", "build", "hooks", "vcs", "version-file"),
    ("setuptools_scm", "version_file"),
    ("setuptools_scm", "write_to"),
    ("pdm", "version", "write_to"),
)


@dataclass(frozen=True, slots=True)
class FoundVersion:
    """A version and where it stands.

    Attributes:
        version: The version; empty where it was not found.
        place: The file, relative to the project's root.
    """

    version: str = ""
    place: str = ""


def find_version(root: Path, name: str, tool: Mapping[str, Any]) -> FoundVersion:
    """Look for the version of a project in the places that its build backend is told, then in the usual ones.

    Args:
        root: The project's folder.
        name: The project's name.
        tool: The ``[tool]`` table of its ``pyproject.toml``.
    """
    for place, reading in _places(root, name, tool):
        path = root / place
        if not path.resolve().is_relative_to(root.resolve()):
            continue
        try:
            if not path.is_file() or path.stat().st_size > _LIMIT:
                continue
            version = reading(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, ValueError):
            continue
        if _is_version(version):
            return FoundVersion(version, place)
    return FoundVersion()


def _is_version(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _places(root: Path, name: str, tool: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Yield the files in which a version may stand, each with what finds it there."""
    hatch = table_at(tool, "hatch", "version")
    if path := hatch.get("path"):
        pattern = hatch.get("pattern")
        yield str(path), _by_pattern(pattern) if isinstance(pattern, str) else _assigned
    yield from _places_of_setuptools(root, tool)
    for key in ("pdm", "flit"):
        if path := table_at(tool, key, "version").get("path"):
            yield str(path), _assigned
    scikit = table_at(tool, "scikit-build", "metadata", "version")
    if path := scikit.get("input"):
        pattern = scikit.get("regex")
        yield str(path), _by_pattern(pattern) if isinstance(pattern, str) else _assigned
    if "maturin" in tool:
        yield str(table_at(tool, "maturin").get("manifest-path", "Cargo.toml")), _of_cargo
    for *tables, key in _WRITTEN:
        if path := table_at(tool, *tables).get(key):
            yield str(path), _assigned
    yield "setup.cfg", _of_setup_cfg
    yield "PKG-INFO", _by_pattern(r"(?m)^Version: (?P<version>\S+)$")
    module = table_at(tool, "flit", "module").get("name") or re.sub(r"[-.]+", "_", name)
    for folder in ("", "src/"):
        for file in _MODULES:
            yield f"{folder}{module}/{file}", _assigned
        yield f"{folder}{module}.py", _assigned
    for file in ("VERSION", "VERSION.txt", "version.txt"):
        yield file, str.strip


def _places_of_setuptools(root: Path, tool: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[str], str]]]:
    dynamic = table_at(tool, "setuptools", "dynamic", "version")
    file = dynamic.get("file")
    for each in file if isinstance(file, list) else [file] if file else []:
        yield str(each), str.strip
    attribute = dynamic.get("attr")
    if isinstance(attribute, str):
        yield from _attribute(root, tool, attribute)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        kind, _, value = _of_setup_cfg((root / "setup.cfg").read_text("utf-8")).partition(":")
        if kind == "attr":
            yield from _attribute(root, tool, value.strip())
        elif kind == "file":
            for each in value.split(","):
                yield each.strip(), str.strip


def _attribute(root: Path, tool: Mapping[str, Any], attribute: str) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Yield the files in which ``package.module.__version__`` may be."""
    module, _, name = attribute.rpartition(".")
    folders = ["", "src/"]
    told = table_at(tool, "setuptools", "package-dir")
    for package, folder in told.items():
        if isinstance(folder, str) and package == "":
            folders.insert(0, f"{folder.strip('/')}/")
    for folder in folders:
        path = f"{folder}{module.replace('.', '/')}"
        for file in (f"{path}.py", f"{path}/__init__.py"):
            if (root / file).is_file():
                yield file, lambda text: _assigned(text, (name,))


def _assigned(text: str, names: tuple[str, ...] = _NAMES) -> str:
    """Return the text that a module assigns to one of some names, the first of them that it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
        except (SyntaxError, RecursionError, MemoryError):
            return ""
    found: dict[str, str] = {}
    for statement in tree.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        value = getattr(statement, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[target.id] = value.value
    return next((found[name] for name in names if name in found), "")


def _by_pattern(pattern: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            found = re.search(pattern, text, re.MULTILINE)
        except re.error:
            return ""
        return (found.groupdict().get("version") or "").removeprefix("v") if found else ""

    return read


def _of_cargo(text: str) -> str:
    version = table_at(tomllib.loads(text), "package").get("version", "")
    return version if isinstance(version, str) else ""


def _of_setup_cfg(text: str) -> str:
    import configparser

    reader = configparser.RawConfigParser()
    try:
        reader.read_string(text)
    except configparser.Error:
        return ""
    return reader.get("metadata", "version", fallback="").strip()
