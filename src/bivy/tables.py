"""A TOML file becomes a value, or is refused with its name, the line, the key, and the nearest right one."""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from bivy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Value = TypeVar("Value", bound=msgspec.Struct)

_KEY: Final = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEYS: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER: Final = re.compile(rf"\s*\[(\[?)\s*({_KEYS})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT: Final = re.compile(rf"\s*({_KEYS})\s*=")


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        UsageError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise UsageError(f"{path}: cannot be read: {fault.strerror}") from None
    except UnicodeDecodeError as fault:
        raise UsageError(f"{path}: cannot be read: {fault}", hint="save it as UTF-8") from None


def parse(path: Path, text: str) -> dict[str, Any]:
    """Return what the text of a TOML file says.

    Args:
        path: What messages call the file.
        text: Its text.

    Raises:
        UsageError: It is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        place = re.search(r" \(at line (\d+), column \d+\)$", str(fault))
        line = f":{place[1]}" if place else ""
        raise UsageError(f"{path}{line}: this is not TOML: {fault}") from None
    except RecursionError:
        raise UsageError(f"{path}: this is not TOML that can be read: it is nested too deep") from None


def convert(path: Path, text: str, value: object, kind: type[Value], at: str = "", what: str = "the file") -> Value:
    """Turn a table of a TOML file into a value.

    Args:
        path: What messages call the file.
        text: Its text, in which lines are looked up.
        value: The table, or what stands in its place.
        kind: What it is to become.
        at: Where the table is in the file, ``tool.bivy``; empty for the file as a whole.
        what: What messages call the table where no key of it is at fault.

    Raises:
        UsageError: A key is unknown or missing, or a value of another kind than it has to be.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as fault:
        raise _wrong(path, text, str(fault), kind, at, what) from None


def table_at(table: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a table within a table; an empty one where there is none."""
    value: Any = table
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message that names what was probably meant; nothing where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; is `{near[0]}` meant?" if near else ""


def line_of(text: str, key: str, value: str = "") -> int:
    """Find the line of a key such as ``pipeline[1].uses``; the line of its table where the key stands in none.

    Args:
        text: The text of the file.
        key: The key, with those of the tables that it is in.
        value: A text among its value; where it stands in a line of its own, that one is meant.
    """
    lines = text.split("\n")
    parts = re.findall(r"[^.\[\]]+|\[\d+\]", key)
    last_line = _last_line(lines, _prefixes(parts))
    if last_line == 1 and parts:
        last_line = next((number for number, line in enumerate(lines, 1) if parts[-1] in line), 1)
    if value:
        for number, line in enumerate(lines[last_line - 1 :], last_line):
            if number > last_line and _begins_another(line):
                break
            if f'"{value}"' in line or f"'{value}'" in line:
                return number
    return last_line


def _begins_another(line: str) -> bool:
    return bool(_HEADER.match(line) or _ASSIGNMENT.match(line))


def _last_line(lines: list[str], wanted: set[str]) -> int:
    """Return the last line that is the header or the assignment of one of the keys that are wanted."""
    table, last_line = "", 1
    counts: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        header = _HEADER.match(line)
        if header:
            table = _plain(header[2])
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                for deeper in [other for other in counts if other.startswith(f"{table}.")]:
                    del counts[deeper]
            if _spelled(table, counts) in wanted:
                last_line = number
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment:
            prefix, name = _spelled(table, counts), _plain(assignment[1])
            if (f"{prefix}.{name}" if prefix else name) in wanted:
                last_line = number
    return last_line


def _wrong(path: Path, text: str, fault: str, kind: type[msgspec.Struct], at: str, what: str) -> UsageError:
    """Turn msgspec's complaint into one with a line and the nearest right key."""
    found = re.fullmatch(r"(?P<what>.*?)(?: - at `(?P<where>[^`]*)`)?", fault, re.DOTALL)
    assert found is not None
    where = (found["where"] or "$").removeprefix("$").removeprefix(".")
    unknown = re.search(r"unknown field `([^`]*)`", found["what"])
    if unknown:
        key = f"{where}.{unknown[1]}" if where else unknown[1]
        near = nearest(unknown[1], _fields_at(kind, where))
        return UsageError(f"{path}:{line_of(text, _within(at, key))}: unknown key `{key}`{near}")
    said = re.sub(r"^Expected `([^`]*)`, got `([^`]*)`$", _in_words, found["what"])
    return UsageError(f"{path}:{line_of(text, _within(at, where))}: {where or what}: {said}")


_WORDS: Final = {
    "array": "a list", "object": "a table", "str": "a text", "int": "a whole number", "float": "a number",
    "bool": "true or false", "null": "nothing",
}  # fmt: skip


def _in_words(fault: re.Match[str]) -> str:
    """Say in TOML's words what msgspec says in JSON's."""
    expected, found = (" or ".join(_WORDS.get(word, word) for word in each.split(" | ")) for each in fault.groups())
    return f"this has to be {expected}, and is {found}"


def _within(at: str, key: str) -> str:
    return ".".join(part for part in (at, key) if part)


def _fields_at(kind: type[msgspec.Struct], where: str) -> list[str]:
    """List the keys that are known at a place such as ``sources[0].places[1]``."""
    reached: Any = msgspec.inspect.type_info(kind)
    for part in re.findall(r"[^.\[\]]+|\[[^\]]*\]", where):
        if part.startswith("["):
            reached = getattr(reached, "item_type", None) or getattr(reached, "value_type", None)
        else:
            reached = next((field.type for field in reached.fields if field.encode_name == part), None)
        if isinstance(reached, msgspec.inspect.UnionType):
            reached = next((each for each in reached.types if isinstance(each, msgspec.inspect.StructType)), None)
    return [field.encode_name for field in reached.fields] if isinstance(reached, msgspec.inspect.StructType) else []


def _plain(keys: str) -> str:
    return re.sub(r"\s*\.\s*", ".", keys).replace('"', "").replace("'", "")


def _prefixes(parts: list[str]) -> set[str]:
    spelled, prefixes = "", set()
    for part in parts:
        spelled = spelled + part if part.startswith("[") else (f"{spelled}.{part}" if spelled else part)
        prefixes.add(spelled)
    return prefixes


def _spelled(table: str, counts: Mapping[str, int]) -> str:
    """Spell a table's name with the positions of the arrays that it is in: ``sources[0].places[1]``."""
    name, spelled = "", ""
    for part in table.split(".") if table else []:
        name = f"{name}.{part}" if name else part
        spelled = f"{spelled}.{part}" if spelled else part
        if name in counts:
            spelled += f"[{counts[name]}]"
    return spelled
