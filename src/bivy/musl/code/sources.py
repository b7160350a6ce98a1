"""Which files are a person's own code, and what is in each: its text and its syntax tree."""

from __future__ import annotations

import ast
import io
import os
import stat
import sys
import tokenize
import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from bivy.musl.report import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

LEFT_OUT = frozenset({"build", "__pycache__", "node_modules", "site-packages", "dist-packages"})
"""Names of folders whose code is not the person's own; hidden folders and virtual environments neither."""

LARGEST = 8_000_000
"""Bytes of the largest file that is read: larger ones are data that somebody wrote as code."""

SUFFIXES = (".py", ".pyw")
_ENCODING = "save it as UTF-8, or declare its encoding in the first line (PEP 263)"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of code.

    Attributes:
        path: The file, as the person named it.
        text: What is in it.
        tree: Its syntax tree.
    """

    path: str
    text: str
    tree: ast.Module


def find_files(paths: Iterable[Path], exclude: Sequence[str] = ()) -> Iterator[Path | Problem]:
    """List the files of code that `paths` mean, each once, those of a folder in the order of their names.

    Args:
        paths: Files and folders.
        exclude: Patterns (`fnmatch`) of files and folders that are left out of folders: of their names, or of their
            paths in the folder that was named.

    A file that is named is taken whatever it is called. In a folder these are ``.py`` and ``.pyw`` files and scripts
    without a suffix that begin with ``#!`` and name Python. Links to folders are not followed, so that loops end.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        for found in _below(path, path, exclude) if path.is_dir() else (path,):
            if isinstance(found, Problem):
                yield found
                continue
            try:
                status = found.stat()
            except OSError as error:
                yield Problem(str(found), f"it cannot be read: {error.strerror}", "see that the name is right")
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if stat.S_ISREG(status.st_mode):
                yield found
            else:
                yield Problem(str(found), "it is neither a file nor a folder")


def _below(folder: Path, top: Path, exclude: Sequence[str]) -> Iterator[Path | Problem]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Problem(str(folder), f"the folder cannot be read: {error.strerror}", "see who may read it")
        return
    for entry in entries:
        path = folder / entry.name
        if any(fnmatch(entry.name, each) or fnmatch(path.relative_to(top).as_posix(), each) for each in exclude):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not is_left_out(path):
                yield from _below(path, top, exclude)
        elif entry.name.endswith(SUFFIXES):
            if not path.is_dir():
                yield path
        elif "." not in entry.name and entry.is_file() and _is_script(path):
            yield path


def is_left_out(folder: Path) -> bool:
    """Tell whether a folder in a project is not the person's own: hidden, a virtual environment, made by programs."""
    return folder.name.startswith(".") or folder.name in LEFT_OUT or (folder / "pyvenv.cfg").is_file()


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first


def read_source(path: Path, shown: str) -> Source | Problem:
    """Read and parse one file.

    Args:
        path: The file.
        shown: What the person calls it.

    Returns:
        The file, or why it could not be read or parsed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        return Problem(shown, f"it cannot be read: {error.strerror}", "see who may read it")
    if len(data) > LARGEST:
        return Problem(shown, f"it is larger than {LARGEST // 1_000_000} MB, and was not read", "name it by itself")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        return Problem(shown, f"its encoding cannot be told: {error.msg}", _ENCODING)
    try:
        text = io.TextIOWrapper(io.BytesIO(data), encoding).read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Source(shown, text, ast.parse(text))
    except SyntaxError as error:
        return _unparsed(shown, f"line {error.lineno}: {error.msg}" if error.lineno else error.msg)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(shown, f"around line {line}: it is not {error.encoding}", _ENCODING)
    except ValueError as error:  # null bytes, before 3.12
        return _unparsed(shown, str(error))
    except (RecursionError, MemoryError):
        return Problem(shown, "it is nested too deeply to be parsed")


def _unparsed(shown: str, why: str) -> Problem:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Problem(
        shown,
        f"it does not parse: {why}",
        f"bivy parses as Python {version}, which it runs on: run it on a newer one where the code is for a newer one",
    )
