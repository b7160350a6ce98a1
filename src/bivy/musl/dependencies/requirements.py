"""A requirements file becomes a question: the form that pip's documentation describes ("Requirements File Format")."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bivy.errors import BivyError
from bivy.musl.dependencies.lock import Question
from bivy.musl.report import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_DEPTH: Final = 20
_LIMIT: Final = 4 << 20
# Options that change nothing about which files fit.
_WITHOUT_EFFECT: Final = ("--require-hashes", "--trusted-host", "--use-feature", "--prefer-binary")
_LONG: Final = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-i": "--index-url",
    "-f": "--find-links",
    "-e": "--editable",
}


@dataclass
class _Reading:
    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    read: set[tuple[Path, bool]] = field(default_factory=set)
    naming: Callable[[str, Path], str] | None = None


def read_requirements(
    path: Path, naming: Callable[[str, Path], str] | None = None
) -> tuple[Question, tuple[Problem, ...]]:
    """Read a requirements file, and those that it names.

    Args:
        path: The file.
        naming: Returns the requirement (PEP 508) that a place is which is named without a name (``./lib[fast]``,
            ``git+https://…``), relative to a folder; ``None`` where such lines become problems.

    Returns:
        The question, and the lines that could not be read.

    Raises:
        BivyError: The file itself cannot be read.
    """
    reading = _Reading(naming=naming)
    _read(path, reading, constraint=False, depth=0)
    question = Question(
        tuple(reading.requirements),
        tuple(reading.constraints),
        options=tuple(reading.options),
        settings=reading.settings,
        folder=path.absolute().parent,
    )
    return question, tuple(reading.problems)


def _read(path: Path, reading: _Reading, *, constraint: bool, depth: int) -> None:
    if (path, constraint) in reading.read:
        return
    reading.read.add((path, constraint))
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise BivyError(f"{path} cannot be read: {fault.strerror}") from fault
    if len(content) > _LIMIT:
        raise BivyError(f"{path} is too large for a requirements file: {len(content)} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BivyError(f"{path} is not text in UTF-8", hint="save it as UTF-8") from fault
    for number, line in _lines(text):
        where = f"{path}, line {number}"
        try:
            _take(line, path.parent, reading, where, constraint=constraint, depth=depth)
        except BivyError as fault:
            reading.problems.append(Problem(where, f"{fault}.", fault.hint or ""))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield what each line says, with the number of its first line: joined at backslashes, without comments."""
    pending, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if pending else number
        bare = re.sub(r"(^|\s+)#.*$", "", line)
        if bare.endswith("\\") and bare == line:
            pending += bare[:-1] + " "
            continue
        whole, pending = (pending + bare).strip(), ""
        if whole:
            yield first, whole
    if pending.strip():
        yield first, pending.strip()


def _take(line: str, folder: Path, reading: _Reading, where: str, *, constraint: bool, depth: int) -> None:
    line = re.sub(r"\$\{([A-Z0-9_]+)\}", lambda name: os.environ.get(name[1], name[0]), line)
    if line.startswith("-"):
        _take_option(line, folder, reading, constraint=constraint, depth=depth)
        return
    text = re.split(r"\s+--?[a-z]", line, maxsplit=1)[0].strip()  # --hash and what else belongs to one requirement
    if _is_place(text) and reading.naming and not constraint:
        place, semicolon, marker = text.partition(" ;")
        text = f"{reading.naming(place.strip(), folder)}{' ;' if semicolon else ''}{marker}"
    elif _is_place(text):
        raise BivyError(f"{text} is a file or folder", hint=f"ask about it by itself: bivy check {text}")
    _check(text)
    (reading.constraints if constraint else reading.requirements).append(text)
    del where


def _is_place(text: str) -> bool:
    """Tell whether a line is a path or an address without a name before it."""
    return " @ " not in text and (
        text.startswith((".", "/", "~")) or "://" in text.split(" ", 1)[0] or text.endswith((".whl", ".tar.gz", ".zip"))
    )


def _check(text: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement as fault:
        reason = str(fault).splitlines()[0]
        raise BivyError(f"this is not a requirement: {reason}", hint="such as requests, or requests>=2.32") from fault


def _take_option(line: str, folder: Path, reading: _Reading, *, constraint: bool, depth: int) -> None:
    try:
        words = shlex.split(line)
    except ValueError as fault:
        raise BivyError(f"a quotation mark is not closed: {line}") from fault
    name, _, value = words[0].partition("=")
    if not name.startswith("--") and len(name) > 2:
        name, value = name[:2], name[2:]
    name = _LONG.get(name, name)
    value = value or (words[1] if len(words) > 1 else "")
    if name in ("--requirement", "--constraint"):
        if depth >= _DEPTH:
            raise BivyError(f"{value} is named too deep: more than {_DEPTH} files name each other")
        if "://" in value:
            raise BivyError(f"{value} is not on this machine", hint="save it beside the file that names it")
        _read(folder / value, reading, constraint=constraint or name == "--constraint", depth=depth + 1)
    elif name == "--index-url":
        reading.options += ("--default-index", value)
    elif name == "--extra-index-url":
        # pip asks all indexes alike; uv would stop at the first that has the name.
        reading.options += ("--index", value, "--index-strategy", "unsafe-best-match")
        _once(reading.options, "--index-strategy")
    elif name == "--find-links":
        reading.options += ("--find-links", value if urlsplit(value).scheme else str((folder / value).absolute()))
    elif name == "--no-index":
        reading.options.append("--no-index")
    elif name == "--pre":
        reading.settings["prerelease"] = "allow"
    elif name == "--editable" and reading.naming:
        reading.requirements.append(reading.naming(value, folder))
    elif name == "--editable":
        raise BivyError(f"{value} is a folder", hint=f"ask about it by itself: bivy check {value}")
    elif name not in _WITHOUT_EFFECT:
        raise BivyError(f"{name} is not taken into account", hint="verdicts are as if the line were not there")


def _once(options: list[str], name: str) -> None:
    """Leave only the first of an option that takes one value."""
    places = [place for place, each in enumerate(options) if each == name]
    for place in reversed(places[1:]):
        del options[place : place + 2]
