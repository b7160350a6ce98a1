"""A folder or a script becomes a project: all that is to be known of it before its image is made, read and checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bivy.app.beside import included, line_of_include, meaningless, usual
from bivy.app.files import find_file, find_files
from bivy.app.imports import find_imports
from bivy.app.metadata import Named, read_metadata
from bivy.app.named import fault_of, fault_of_module, find_folder, named_modules
from bivy.app.start import Searched, Start, find_start, servers, told_start
from bivy.app.table import OWN_FILE, Said, check_names, find_table, read_document, read_options, read_script_block
from bivy.app.values import HOME, Metadata, Project, ProjectKind
from bivy.app.version import find_version
from bivy.errors import BivyError, UsageError
from bivy.musl.dependencies.workspace import find_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bivy.app.table import Document

_NO_VERSION: Final = "0"
DECLARING: Final = ("pyproject.toml", "uv.lock", "pylock.toml", "requirements.txt", OWN_FILE)
"""The files at the top of a project that say what it is and needs."""


def read_project(where: Path, told: Mapping[str, object] | None = None) -> Project:
    """Read a project. None of its code is run.

    Args:
        where: Its folder, its ``pyproject.toml``, or a script.
        told: What the command line says, by the names of `AppOptions`: it goes before what the project says. A list
            takes the place of the project's, names in a table are added to its.

    Raises:
        UsageError: It is no project, or something that it or the command line says is wrong; the message has file,
            line and key.
        BivyError: A file of it cannot be read, or cannot be part of an image.
    """
    opened = open_project(where, told or {})
    start = told_start(opened.said.options)
    start = _checked(opened, start) if start else find_start(searched(opened))
    _check_script(opened, start.words[0])
    return _assembled(opened, start)


def _check_script(opened: Opened, name: str) -> None:
    """Refuse a script whose module the project should have and does not."""
    project, document = opened.project, opened.document
    called = project.metadata.scripts.get(name, "").partition(":")[0].strip()
    fault = fault_of_module(called, project.files, project.imports) if called else ""
    if fault and document:
        at = "project.scripts" if "project" in document.table else "tool.poetry.scripts"
        raise document.refuse(f"{at}.{name}", f"the script {name}: {fault}")


def _checked(opened: Opened, start: Start) -> Start:
    """Refuse what the project does not have; add the folder that its module is imported from."""
    options, project = opened.said.options, opened.project
    key = "entrypoint" if options.entrypoint else "module" if options.module else "script"
    if not start.words[0]:
        raise opened.said.refuse(key, "the program that is started has no name")
    if fault := fault_of(start.words, project.files, project.imports):
        raise opened.said.refuse(key, fault)
    for module in named_modules(start.words):
        folder = find_folder(module, project.files, project.imports)
        if folder and folder not in project.imports:
            return replace(start, imports=folder)
    return start


@dataclass(frozen=True, slots=True)
class Opened:
    """A project, read but for what of it is started.

    Attributes:
        project: The project; its `start` is empty.
        said: Its options, and where they were said.
        document: Its ``pyproject.toml``, or its script's block; ``None`` where it has none.
    """

    project: Project
    said: Said
    document: Document | None

    @property
    def tool(self) -> Mapping[str, Any]:
        """The ``[tool]`` table of its document."""
        table = self.document.table.get("tool", {}) if self.document else {}
        return table if isinstance(table, dict) else {}


def open_project(where: Path, told: Mapping[str, object]) -> Opened:
    """Read a project but for what of it is started; see `read_project`."""
    if not where.exists():
        raise UsageError(f"{where}: there is no such file or folder")
    where = meant_by(where)
    if where.is_file():
        return _open_script(where, told)
    return _open_folder(where, told)


def meant_by(where: Path) -> Path:
    """Return the script, or the folder of the project, that is meant by one of the files that say what it needs."""
    return where.parent if where.name in DECLARING and where.is_file() else where


def read_said(folder: Path, told: Mapping[str, object]) -> tuple[Document | None, Said]:
    """Return what the ``pyproject.toml`` in a folder says, where there is one, and what is said of its image.

    Raises:
        UsageError: Something in it is wrong.
    """
    path = folder / "pyproject.toml"
    document = read_document(path) if path.is_file() else None
    own = read_document(folder / OWN_FILE) if (folder / OWN_FILE).is_file() else None
    return document, read_options(*find_table(document, own), told)


def searched(opened: Opened) -> Searched:
    """Return what there is to be started in a project that is open."""
    project = opened.project

    def read(path: str) -> bytes:
        try:
            return (project.root / path).read_bytes()
        except OSError as fault:
            raise BivyError(f"{project.root / path} cannot be read: {fault.strerror}") from fault

    requires = project.metadata.requires or tuple(_requirements(project.root))
    return Searched(
        project.name, project.kind, project.metadata, project.files, project.imports, servers(requires), read
    )


def _open_folder(folder: Path, told: Mapping[str, object]) -> Opened:
    root = folder.resolve()
    document, said = read_said(folder, told)
    if not document and not any((folder / name).is_file() for name in DECLARING) and not any(folder.glob("*.py")):
        raise UsageError(
            f"{folder} is no project: it has no pyproject.toml, no requirements.txt, and no Python file",
            hint="name a project's folder, or a script",
        )
    if not document and (folder / "setup.py").is_file() and not (folder / "requirements.txt").is_file():
        raise UsageError(
            f"{folder} says only in setup.py or setup.cfg what it is and needs, and bivy does not run it",
            hint="write its name, version and dependencies into pyproject.toml",
        )
    named = read_metadata(document, said.options) if document else Named("", "", package=False, metadata=Metadata())
    tool = document.table.get("tool", {}) if document else {}
    if document or not (folder / "pylock.toml").is_file():  # which may have extras without anyone else knowing them
        check_names(said, "extras", named.metadata.extras, "[project.optional-dependencies]")
        check_names(said, "groups", named.metadata.groups, "[dependency-groups]")
    check_names(said, "script", named.metadata.scripts, "[project.scripts]")
    found = find_files(root, said.options.exclude)
    if unmet := meaningless(found.files, said.options.include):
        raise said.refuse("include", f"no file of the project's is meant by {unmet!r}", unmet)
    version, note = _version(root, named, tool)
    project = Project(
        name=named.name or root.name or "app",
        version=version,
        root=root,
        kind=ProjectKind.PACKAGE if named.package else ProjectKind.FOLDER,
        options=said.options,
        metadata=named.metadata,
        start=(),
        python=_python(said, named.metadata.requires_python, document),
        dependencies=_dependencies(root, document),
        imports=find_imports(tool, named.metadata.backend, found.files),
        files=found.files,
        notes=(*note, *_left_out(found.secrets)),
    )
    return Opened(project, said, document)


def _open_script(path: Path, told: Mapping[str, object]) -> Opened:
    if path.suffix not in (".py", ".pyw", ""):
        raise UsageError(f"{path} is no script of Python's", hint="name a project's folder, or a file that ends in .py")
    document = read_script_block(path)
    said = read_options(*find_table(document, None), told)
    for key in ("extras", "groups", "script"):
        check_names(said, key, (), "a script")
    table = document.table
    requires = table.get("dependencies", [])
    if not isinstance(requires, list) or not all(isinstance(each, str) for each in requires):
        raise document.refuse("dependencies", "dependencies has to be a list of texts")
    python = table.get("requires-python", "")
    if not isinstance(python, str):
        raise document.refuse("requires-python", "requires-python has to be a text")
    project = Project(
        name=path.stem,
        version=_NO_VERSION,
        root=path.resolve().parent,
        kind=ProjectKind.SCRIPT,
        options=said.options,
        metadata=Metadata(requires=tuple(requires), requires_python=python),
        start=(),
        python=_python(said, python, document),
        dependencies=path.name if requires else "",
        files=(find_file(path),),
    )
    return Opened(project, said, document)


def _assembled(opened: Opened, start: Start) -> Project:
    project = opened.project
    told = tuple(_spelled_port(each) for each in project.options.ports)
    extra = (start.imports,) if start.imports and start.imports not in project.imports else ()
    # A wheel holds neither the files beside the package nor modules that are imported from elsewhere.
    beside = {f"{HOME}/{file.path}" for file in included(project.files, project.options.include)}
    in_place = extra or any(word.startswith(f"{HOME}/") and word not in beside for word in start.words)
    kind = ProjectKind.FOLDER if in_place and project.kind is ProjectKind.PACKAGE else project.kind
    return replace(
        project,
        kind=kind,
        notes=(*project.notes, *_beside(project, kind)),
        start=start.words,
        why=start.why,
        ports=told or start.ports,
        imports=(*project.imports, *extra),
    )


def _beside(project: Project, kind: ProjectKind) -> Iterator[str]:
    """Say that files are not in the image that some program may look for there."""
    found = usual(project.root, project.files) if kind is ProjectKind.PACKAGE and not project.options.include else ()
    if found:
        names = " and ".join(each[1:] for each in found)
        yield (
            f"of a project with a build backend its wheel is in the image, so {names} {'are' if found[1:] else 'is'} "
            f"not; {line_of_include(found)} in [tool.bivy] adds {'them' if found[1:] else 'it'}"
        )


def _spelled_port(port: str | int) -> str:
    return str(port) if "/" in str(port) else f"{port}/tcp"


def _left_out(secrets: tuple[str, ...]) -> Iterator[str]:
    if secrets:
        several = len(secrets) > 1
        yield (
            f"{', '.join(secrets[:5])}{' and others' if len(secrets) > 5 else ''} {'were' if several else 'was'} left "
            f"out of the image, since {'they' if several else 'it'} may hold secrets; "
            f'exclude = ["!{secrets[0].rstrip("/")}"] in [tool.bivy] would bring '
            f"{'the first' if several else 'it'} back"
        )


def _version(root: Path, named: Named, tool: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the project's version, and what has to be said about it."""
    if named.version or not named.name:
        return named.version or _NO_VERSION, ()
    found = find_version(root, named.name, tool)
    if found.version:
        return found.version, ()
    note = f"the version of {named.name} is only known when it is built (from git, or by code), so the image's is "
    return _NO_VERSION, (f"{note}{_NO_VERSION}; tag in [tool.bivy] names another",)


def _python(said: Said, requires: str, document: Document | None) -> str:
    """Return the minor version of Python that the project gets: told, the usual one, or the newest that it is for.

    Raises:
        UsageError: bivy builds none that it is for, or not the one that is told.
    """
    from bivy.images.definition import load_image

    if said.options.base:
        if said.options.python:
            raise said.refuse("python", "`base` decides which Python there is; one of the two can be said")
        return ""
    told, default = said.options.python, load_image("python").default
    if not told and not requires:
        return default
    from bivy.build.recipe import RECIPES, load_recipe

    versions = sorted(load_recipe(RECIPES / "python").versions, key=_numbers)
    minors = [*dict.fromkeys(version.rpartition(".")[0] for version in versions)]
    if told and told not in minors:
        raise said.refuse("python", f"bivy builds no Python {told}", told, hint=f"it builds {', '.join(minors)}")
    if not requires:
        return told
    fitting = _fitting(requires, versions, document)
    if told and told not in fitting:
        raise said.refuse("python", f"the project is not for Python {told}: it requires {requires}", told)
    if not fitting:
        raise _refuse_python(
            document,
            f"the project is for Python {requires}, and bivy builds {', '.join(minors)}",
            'name a base that has such a Python, in [tool.bivy]: base = "…"',
        )
    return told or (default if default in fitting else fitting[-1])


def _fitting(requires: str, versions: list[str], document: Document | None) -> list[str]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(requires)
    except InvalidSpecifier:
        message = f"requires-python: {requires!r} does not say which versions of Python"
        raise _refuse_python(document, message, 'such as ">=3.12"') from None
    return [*dict.fromkeys(version.rpartition(".")[0] for version in versions if version in wanted)]


def _refuse_python(document: Document | None, message: str, hint: str) -> UsageError:
    return document.refuse("requires-python", message, hint=hint) if document else UsageError(message, hint=hint)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _dependencies(root: Path, document: Document | None) -> str:
    """Return the file that says what the project depends on: a lock, where there is one."""
    for name in ("uv.lock", "pylock.toml"):
        if (root / name).is_file():
            return name
    workspace = find_workspace(root) if document else None
    if workspace and (workspace.root / "uv.lock").is_file():
        return os.path.relpath(workspace.root / "uv.lock", root)
    required = (root / "requirements.txt").is_file()
    if document:
        table = document.table.get("project", {})
        said = table and "dependencies" not in table.get("dynamic", ())
        if (
            said
            or "dependency-groups" in document.table
            or (not required and (table or "poetry" in document.table.get("tool", {})))
        ):
            return document.path.name
    return "requirements.txt" if required else ""


def _requirements(root: Path) -> Iterator[str]:
    """Yield what is written down of a project's dependencies where it has no metadata: who is among them, no more."""
    from bivy.musl.dependencies.requirements import read_requirements

    if (root / "requirements.txt").is_file():
        yield from read_requirements(root / "requirements.txt")[0].requirements
    if (root / "pylock.toml").is_file():
        from bivy.musl.dependencies.pylock import read_pylock

        yield from (each.name for each in read_pylock(root / "pylock.toml").packages)
