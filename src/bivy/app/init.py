"""The table ``[tool.bivy]`` for a project that has none: written from what is found in it, each line explained."""

from __future__ import annotations

import json
import stat
import textwrap
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.app.beside import line_of_include, usual
from bivy.app.project import open_project, searched
from bivy.app.start import find_candidates
from bivy.app.table import OWN_FILE, TABLE
from bivy.app.values import ProjectKind
from bivy.errors import UsageError
from bivy.files import write_whole
from bivy.tables import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bivy.app.project import Opened
    from bivy.app.start import Candidates

_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a project does not have yet.

    Attributes:
        path: The file that it belongs into.
        text: Its text.
        kind: What kind of project it is for.
        candidates: What of the project can be started: where that is not one thing, a line is left to be filled in.
    """

    path: Path
    text: str
    kind: ProjectKind
    candidates: Candidates


def make_table(where: Path) -> Table:
    """Write the table of a project from what is found in it.

    Args:
        where: Its folder, or a script.

    Raises:
        UsageError: It has one, or it is no project.
        BivyError: A file of it cannot be read, or cannot be part of an image.
    """
    opened = open_project(where, {})
    document, at, kind = opened.said.document, opened.said.at, opened.project.kind
    if document and (not at or "bivy" in opened.tool):
        raise UsageError(
            f"{document.path}:{line_of(document.text, at) if at else 1}: what the image is to be like is said already",
            hint="change it there: bivy app --help lists what can be said",
        )
    candidates = find_candidates(searched(opened))
    lines = [*_lines(opened, candidates)]
    if document:
        lines.insert(0, f"[{TABLE}]")
    if kind is ProjectKind.SCRIPT:
        lines = [f"# {line}" for line in lines]
    path = document.path if document else where / OWN_FILE
    return Table(path, "".join(f"{line}\n" for line in lines), kind, candidates)


def write_table(table: Table) -> None:
    """Write a table into its project's file, of which nothing else changes.

    Raises:
        UsageError: It cannot be put there without changing the rest of the file; the hint says how to go on.
        OSError: The file cannot be written.
    """
    if table.kind is ProjectKind.SCRIPT:
        raise UsageError(
            f"{table.path} is a script, and its comments are its author's to write",
            hint="bivy init --print shows what to put between `# /// script` and `# ///`",
        )
    path = table.path.resolve()
    there = path.read_bytes() if path.exists() else b""
    newline = "\r\n" if b"\r\n" in there else "\n"
    between = "" if not there else newline if there.endswith(b"\n") else newline * 2
    after = there + (between + table.text.replace("\n", newline)).encode()
    if there:
        _check_addition(table.path, there, after)
    mode = stat.S_IMODE(path.stat().st_mode) if there else None
    write_whole(path, after)
    if mode is not None:
        path.chmod(mode)


def _check_addition(path: Path, before: bytes, after: bytes) -> None:
    """Refuse where the table does not mean at the end of the file what it means by itself: `tool` may be inline."""
    try:
        new = tomllib.loads(after.decode("utf-8-sig"))
        new["tool"].pop("bivy")
    except (tomllib.TOMLDecodeError, KeyError):
        new = {}
    old = tomllib.loads(before.decode("utf-8-sig"))
    if {"tool": {}, **new} != {"tool": {}, **old}:
        raise UsageError(
            f"{path} is written so that no table can be put at its end",
            hint="bivy init --print shows what belongs into it",
        )


def _lines(opened: Opened, candidates: Candidates) -> Iterator[str]:
    """Yield the lines of the table, each after a comment on it."""
    project = opened.project
    starts = candidates.starts
    if len(starts) == 1:
        yield from _comment(f"What is started: {starts[0].why}.")
        yield starts[0].line
        if starts[0].ports:
            yield from _comment("Where it listens.")
            yield f"ports = [{', '.join(port.partition('/')[0] for port in starts[0].ports)}]"
    elif starts:
        yield from _comment(f"What is started: there are {len(starts)} {candidates.what}. Take the # off one line.")
        for start in starts:
            yield f"# {start.line}"
    else:
        yield from _comment("What is started: nothing was found that is meant to be. Fill this in, and take the # off.")
        yield '# entrypoint = ["python3", "-m", "…"]'
    yield from _comment("The image's name. Its tag is the project's version; `tag` would be another.")
    yield f"name = {json.dumps(project.repository)}"
    yield from _comment(f"The Python that it gets, on Alpine: the base is python:{project.python}-alpine.")
    yield f"python = {json.dumps(project.python)}"
    if beside := usual(project.root, project.files) if project.kind is ProjectKind.PACKAGE else ():
        yield from _comment(
            "Files that go into the image beside the project's wheel: programs look for these where they start."
        )
        yield line_of_include(beside)
    yield from _others(project.metadata.extras, project.metadata.groups)


def _others(extras: Sequence[str] | frozenset[str], groups: Sequence[str] | frozenset[str]) -> Iterator[str]:
    """Yield the keys that a project often needs and that nothing can be found out about, as comments."""
    if extras:
        yield from _comment(f"Of the project's extras, those that go in. There are: {', '.join(sorted(extras))}.")
        yield "# extras = []"
    if groups:
        yield from _comment(f"Of its dependency groups, those that go in. There are: {', '.join(sorted(groups))}.")
        yield "# groups = []"
    yield from _comment("Alpine packages that it needs beside those of the base: programs that it runs.")
    yield '# packages = ["git"]'
    yield from _comment("Environment variables. What is secret is better given when a container starts.")
    yield '# environment = { LOG_LEVEL = "info" }'
    yield from _comment(
        "Files that stay out, as in .gitignore. What .gitignore and .dockerignore leave out does so already, "
        "as do caches, virtual environments, and files that hold secrets."
    )
    yield '# exclude = ["docs/"]'


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False):
        yield f"# {line}"
