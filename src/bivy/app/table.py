"""What is said about a project's image becomes options: ``[tool.bivy]``, ``bivy.toml``, and the command line over both.

A script says it in its comments, in the block that PEP 723 describes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bivy.app.options import AppOptions
from bivy.errors import UsageError
from bivy.musl.archives.standards import normalised
from bivy.tables import convert, line_of, nearest, parse, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

TABLE: Final = "tool.bivy"
OWN_FILE: Final = "bivy.toml"
"""Where a project without ``pyproject.toml`` says it; the keys are the same, in no table."""
_STARTS: Final = ("entrypoint", "module", "script")
_TABLES: Final = ("environment", "labels")


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file, or what stands in a script's comments, with the text that its lines are counted in.

    Attributes:
        path: The file.
        text: Its text; for a script that of its block alone, in the lines in which it stands.
        table: What it says.
    """

    path: Path
    text: str = ""
    table: Mapping[str, Any] = field(default_factory=dict)

    def refuse(self, key: str, message: str, value: str = "", hint: str | None = None) -> UsageError:
        """Return the fault of a key, with file and line."""
        return UsageError(f"{self.path}:{line_of(self.text, key, value)}: {message}", hint=hint)


@dataclass(frozen=True, slots=True)
class Said:
    """What was said about the image, and where.

    Attributes:
        options: All of it.
        told: The keys that the command line says.
        document: The file that says the others; ``None`` where none does.
        at: The table in it, ``tool.bivy``; empty for the file as a whole.
    """

    options: AppOptions
    told: frozenset[str]
    document: Document | None
    at: str

    def refuse(self, key: str, message: str, value: str = "", hint: str | None = None) -> UsageError:
        """Return the fault of an option, with the place where it was said."""
        told, key = key in self.told, key.replace("_", "-")
        if told or self.document is None:
            return UsageError(f"{key}, on the command line: {message}", hint=hint)
        return self.document.refuse(f"{self.at}.{key}" if self.at else key, f"{key}: {message}", value, hint)


def read_document(path: Path) -> Document:
    """Read a TOML file.

    Raises:
        UsageError: It cannot be read, or is not TOML.
    """
    text = read_text(path)
    return Document(path, text, parse(path, text))


def read_script_block(path: Path) -> Document:
    """Read what a script says of itself in its comments (PEP 723, type ``script``); an empty document for nothing.

    Raises:
        UsageError: The script cannot be read, or has a block twice or one that is not TOML.
    """
    text = read_text(path)
    lines = re.split(r"\r?\n", text)
    blocks = find_blocks(lines)
    if len(blocks) > 1:
        raise UsageError(f"{path}:{blocks[1].start}: the script says twice what it needs", hint="keep one block")
    inside = set(blocks[0]) if blocks else set()
    # Blank lines stand for the rest of the script, so that lines are counted as they are in it.
    bare = "\n".join(line[2:] if number in inside else "" for number, line in enumerate(lines))
    return Document(path, bare, parse(path, bare))


def find_blocks(lines: list[str]) -> list[range]:
    """Return the lines between ``# /// script`` and ``# ///`` of each block, counted from 0.

    A block goes on as long as there are comments; of several lines that could end it, the last one does.
    """
    blocks = []
    number = 0
    while number < len(lines):
        if lines[number] != "# /// script":
            number += 1
            continue
        first = after = number + 1
        while after < len(lines) and (lines[after] == "#" or lines[after].startswith("# ")):
            after += 1
        last = max((each for each in range(first, after) if lines[each] == "# ///"), default=0)
        if last:
            blocks.append(range(first, last))
        number = max(last, number) + 1
    return blocks


def find_table(document: Document | None, own: Document | None) -> tuple[Document | None, str]:
    """Tell where options are: in ``[tool.bivy]`` of a project's or script's document, or in a ``bivy.toml``.

    Raises:
        UsageError: In both.
    """
    tool = document.table.get("tool", {}) if document else {}
    named = isinstance(tool, dict) and "bivy" in tool
    if named and own and document:
        line = line_of(document.text, TABLE)
        raise UsageError(
            f"{document.path}:{line}: [{TABLE}] is here, and {own.path} is there too", hint="keep one of them"
        )
    return (document, TABLE) if named else (own, "") if own else (document, TABLE)


def read_options(document: Document | None, at: str, told: Mapping[str, object]) -> Said:
    """Return the options that a document and the command line say.

    Args:
        document: What `find_table` found.
        at: The table in it.
        told: What the command line says, by the names of `AppOptions`.

    Raises:
        UsageError: A key or value is wrong.
    """
    table: Any = document.table if document else {}
    for part in at.split(".") if at else ():
        table = table.get(part, {}) if isinstance(table, dict) else {}
    written = AppOptions()
    if document:
        written = convert(document.path, document.text, table, AppOptions, at, f"[{at}]" if at else "the file")
    try:
        spoken = msgspec.convert({name.replace("_", "-"): value for name, value in told.items()}, AppOptions)
    except msgspec.ValidationError as fault:
        raise UsageError(f"on the command line: {fault}") from None
    changes: dict[str, Any] = {name: getattr(spoken, name) for name in told}
    for name in _TABLES:
        if name in changes:
            changes[name] = getattr(written, name) | changes[name]
    if not changes.keys().isdisjoint(_STARTS):
        changes = {**dict.fromkeys(_STARTS, ""), "entrypoint": (), **changes}
    said = Said(msgspec.structs.replace(written, **changes), frozenset(told), document, at)
    _check(said)
    return said


def check_names(said: Said, key: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that a project does not have.

    Args:
        said: The options.
        key: Which of them: ``extras``, ``groups``, ``script``.
        known: The names that the project has.
        what: What they are called in its ``pyproject.toml``.

    Raises:
        UsageError: One of the names is not among them.
    """
    value = getattr(said.options, key)
    names = [*known]
    same = {*names, *map(normalised, names)} if key != "script" else {*names}
    for name in (value,) if isinstance(value, str) else value:
        if name and name not in same and (key == "script" or normalised(name) not in same):
            hint = f"there is {', '.join(sorted(names))}" if names else f"{what} has none"
            raise said.refuse(key, f"the project has no {name!r} in {what}{nearest(name, names)}", name, hint)


def _check(said: Said) -> None:
    """Refuse what the types alone let pass."""
    options = said.options
    started = [key for key in _STARTS if getattr(options, key)]
    if len(started) > 1:
        raise said.refuse(started[0], f"only one of {' and '.join(started)} can be what is started")
    for key, fault in _CHECKS.items():
        value = getattr(options, key)
        for each in (value,) if isinstance(value, str) else value:
            complaint = fault(str(each)) if each != "" or not isinstance(value, str) else ""
            if complaint:
                raise said.refuse(key, complaint, str(each))


def _has_form(form: str, what: str) -> Callable[[str], str]:
    return lambda value: "" if re.fullmatch(form, value) else f"{value!r} is not {what}"


def _port(value: str) -> str:
    found = re.fullmatch(r"(\d{1,5})(?:/(?:tcp|udp|sctp))?", value)
    return "" if found and 0 < int(found[1]) < 65536 else f"{value!r} is not a port, such as 8000 or 53/udp"


def _architecture(value: str) -> str:
    from bivy.arch import find_arch

    try:
        find_arch(value)
    except UsageError as fault:
        return f"{fault}; {fault.hint}"
    return ""


def _package(value: str) -> str:
    from bivy.apk.dependency import parse_dependency
    from bivy.apk.errors import ApkError

    try:
        parse_dependency(value)
    except ApkError as fault:
        return f"{fault}; {fault.hint}"
    return ""


def _pattern(value: str) -> str:
    from bivy.app.patterns import is_pattern

    return "" if is_pattern(value) else f"{value!r} is not a pattern as in .gitignore, such as docs/ or *.csv"


_FOLDER: Final = _has_form(
    r"/(?:(?!\.\.?(?:/|$))[^/\0:]+(?:/(?!\.\.?(?:/|$))[^/\0:]+)*/?)?", "a folder of the image's, such as /data"
)
# Distribution-spec 1.1, "Pulling manifests", for names and tags; a host and its port before the name.
_CHECKS: Final[dict[str, Callable[[str], str]]] = {
    "name": _has_form(
        r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*",
        "the name of an image, such as shop or registry.example.org/team/shop; its tag is a key of its own",
    ),
    "tag": _has_form(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "a tag, such as 1.4.2 or latest"),
    "python": _has_form(r"3\.\d{1,2}", "a minor version of Python, such as 3.14"),
    "architectures": _architecture,
    "packages": _package,
    "build_packages": _package,
    "module": _has_form(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*", "a module, such as shop.worker"),
    "entrypoint": _has_form(r"[^\0]*", "a word of a command"),
    "command": _has_form(r"[^\0]*", "a word of a command"),
    "environment": _has_form(r"[^=\0]+", "the name of a variable"),
    "user": _has_form(
        r"(?:\d{1,10}|[A-Za-z_][\w.-]*)(?::(?:\d{1,10}|[A-Za-z_][\w.-]*))?", "a user, such as 1000, 1000:1000 or nobody"
    ),
    "workdir": _FOLDER,
    "ports": _port,
    "volumes": _FOLDER,
    "labels": _has_form(r"[^\s=\0]+", "the name of a label"),
    "include": _pattern,
    "exclude": _pattern,
}
