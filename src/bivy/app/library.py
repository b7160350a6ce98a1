"""A folder that is required, or is to be compiled, becomes a project: as far as a wheel of it takes."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bivy.apk.entry import Kind
from bivy.app.backend import archive_name, pack_source, source_candidate
from bivy.app.files import find_files
from bivy.app.metadata import Named, read_metadata
from bivy.app.options import AppOptions
from bivy.app.table import read_document
from bivy.app.values import Metadata, Project, ProjectFile, ProjectKind
from bivy.app.version import find_version
from bivy.errors import BivyError, UsageError
from bivy.files import scratch_folder
from bivy.musl.archives.standards import LEGACY_BACKEND
from bivy.tables import table_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.wheels.find import Candidate

_SAYS: tuple[str, ...] = ("pyproject.toml", "setup.py", "setup.cfg")


def open_library(root: Path, name: str = "", *, whole: bool = False) -> Project:
    """Read the folder of a project that a wheel is to be made of. None of its code is run.

    Args:
        root: The folder.
        name: What it is called, where it does not say so without being built.
        whole: Whether all of its files belong to it, as in what a repository has checked out.

    Raises:
        UsageError: What it says of itself is wrong.
        BivyError: It is not there, is no project, or a file of it cannot be read.
    """
    root = root.resolve()
    who = f", which {name} comes from," if name else ""
    if not root.is_dir():
        raise BivyError(f"the folder {root}{who} is not there", hint="is its path right, and was it fetched?")
    if not any((root / each).is_file() for each in _SAYS):
        raise BivyError(
            f"{root}{who} is no project: it has neither pyproject.toml nor setup.py",
            hint="name the folder that these are in",
        )
    document = read_document(root / "pyproject.toml") if (root / "pyproject.toml").is_file() else None
    named = Named("", "", package=True, metadata=Metadata(backend=LEGACY_BACKEND))
    if document:
        named = read_metadata(document, AppOptions())
        named = replace(named, metadata=replace(named.metadata, backend=named.metadata.backend or LEGACY_BACKEND))
    tool: Mapping[str, Any] = document.table.get("tool", {}) if document else {}
    called = named.name or name or root.name
    version = named.version or (find_version(root, called, tool).version if named.name else "")
    exclude = table_at(tool, "bivy").get("exclude", ())
    files = tuple(_everything(root)) if whole else find_files(root, [str(each) for each in exclude]).files
    return Project(
        name=called, version=version or "0", root=root, kind=ProjectKind.PACKAGE, options=AppOptions(),
        metadata=named.metadata, start=(), files=files,
    )  # fmt: skip


def _everything(root: Path) -> Iterator[ProjectFile]:
    """Yield all files of what a repository has checked out."""
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted([*names, *(each for each in folders if Path(parent, each).is_symlink())]):
            path = Path(parent, name)
            inside = path.relative_to(root).as_posix()
            if name == ".git":  # a submodule's
                continue
            if path.is_symlink():
                yield ProjectFile(inside, Kind.SYMLINK, 0o777, target=str(path.readlink()))
            elif path.is_file():
                status = path.stat()
                yield ProjectFile(inside, Kind.FILE, 0o755 if status.st_mode & 0o100 else 0o644, status.st_size)


@contextlib.contextmanager
def with_folders(requirements: Sequence[str], cache: Path) -> Iterator[list[str | Candidate]]:
    """Put source archives in the place of the folders among what is to be compiled, as long as the block runs.

    Args:
        requirements: Requirements (PEP 508), paths of source archives, paths of projects' folders.
        cache: bivy's cache folder.

    Returns:
        Each of them, in order.

    Raises:
        UsageError: A folder has no project.
        BivyError: A file of one cannot be read.
    """
    with scratch_folder(cache / "work", "folders-") as scratch:
        yield [
            _with_folder(text, scratch / str(number), cache) if _is_folder(text) else text
            for number, text in enumerate(requirements)
        ]


def _is_folder(text: str) -> bool:
    """Tell a folder from a requirement: one that is just a name is a folder only where it is written as a path."""
    return ("/" in text or text in (".", "..")) and " @ " not in text and "://" not in text and not Path(text).is_file()


def _with_folder(text: str, scratch: Path, cache: Path) -> Candidate:
    place = Path(text)
    if not place.is_dir():
        raise UsageError(f"{text}: there is no such file or folder", hint="name a requirement, an archive or a folder")
    project = open_library(place)
    archive = scratch / archive_name(project)
    pack_source(project, archive)
    return replace(source_candidate(project, archive, cache), path=text)
