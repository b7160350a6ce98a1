"""From which folders of a project modules are imported: as its build backend is told, or as projects usually are."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.app.values import ProjectFile


def find_imports(tool: Mapping[str, Any], backend: str, files: Sequence[ProjectFile]) -> tuple[str, ...]:
    """Return the folders, relative to the project's root; the root itself is ``.``.

    Args:
        tool: The ``[tool]`` table of its ``pyproject.toml``.
        backend: Its build backend.
        files: What belongs to it.
    """
    folders = {posixpath.dirname(file.path) for file in files if file.path.endswith((".py", ".pyi", ".so"))}
    there = {"."} | {each for path in folders for each in _with_parents(path)}
    told = [each for each in dict.fromkeys(_told(tool, backend)) if each in there]
    if told:
        return tuple(told)
    modules_in_src = any(f"{path}/".startswith("src/") for path in folders) and not any(
        file.path == "src/__init__.py" for file in files
    )
    return ("src",) if modules_in_src else (".",)


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = posixpath.dirname(path)


def _told(tool: Mapping[str, Any], backend: str) -> Iterator[str]:
    """Yield the folders that a build backend is told of, each in the form of its documentation."""
    setuptools = _table(tool, "setuptools")
    for package, folder in _table(setuptools, "package-dir").items():
        if package == "":
            yield _folder(folder)
    for where in _texts(_table(setuptools, "packages", "find").get("where")):
        yield _folder(where)
    wheel = _table(tool, "hatch", "build", "targets", "wheel")
    for path in _texts(wheel.get("packages")):
        yield _folder(posixpath.dirname(path.strip("/")))
    for path in _texts(wheel.get("sources")):
        yield _folder(path)
    packages = _table(tool, "poetry").get("packages")
    for package in packages if isinstance(packages, list) else ():
        if isinstance(package, dict) and isinstance(package.get("include"), str):
            yield _folder(package.get("from", "."))
    if "package-dir" in _table(tool, "pdm", "build"):
        yield _folder(_table(tool, "pdm", "build")["package-dir"])
    if "python-source" in _table(tool, "maturin"):
        yield _folder(_table(tool, "maturin")["python-source"])
    if backend.startswith("uv_build"):
        yield _folder(_table(tool, "uv", "build-backend").get("module-root", "src"))


def _table(table: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    value: Any = table
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _folder(value: object) -> str:
    return posixpath.normpath(value.strip("/") or ".") if isinstance(value, str) else "."
