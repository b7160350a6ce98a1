"""A check as its file has it: what must hold, why, whence, what to do, and the program or reading that finds out."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bivy.errors import UsageError
from bivy.tables import convert, line_of, nearest, parse, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CHECKS = Path(__file__).parent / "checks"
"""The folder of bivy's own checks."""
_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
# The order in which bivy's own groups are told of; others come after, by name.
_GROUPS = ("official", "libraries", "root", "variant", "format", "suite")


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check; it has either a program (`python`, `command`) or a reading. docs/verify.md says what each key means.

    Attributes:
        name: What it is called on the command line.
        title: What holds where it passes.
        why: Why that matters.
        source: The specification or the incident that it comes from.
        remedy: What to do where it fails.
        group: What it belongs to; the file's where it does not say.
        python: The text of a program for the image's ``python3``.
        command: A command that runs in the image; no words are the image's own command.
        entrypoint: Whether the image's entrypoint stays in front of the command.
        expect: What the program is to print, and nothing else; ``None`` where its exit status says it all.
        timeout: Seconds that the program may take.
        reading: The name of a function that reads the image's bytes (`bivy.verify.readings`).
        settings: What the program or the reading goes by.
    """

    name: str
    title: str
    why: str
    source: str
    remedy: str
    group: str = ""
    python: str | None = None
    command: tuple[str, ...] | None = None
    entrypoint: bool = False
    expect: str | None = None
    timeout: int = 60
    reading: str | None = None
    settings: dict[str, Any] = {}

    @property
    def runs(self) -> bool:
        """Whether a program has to run in the image."""
        return self.reading is None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of checks."""

    group: str
    checks: tuple[Check, ...]


@functools.cache
def own_checks() -> tuple[Check, ...]:
    """Return bivy's own checks, in the order of their groups."""
    return load_checks(CHECKS)


def load_checks(folder: Path) -> tuple[Check, ...]:
    """Read the checks of a folder: all its files ``*.toml``.

    Args:
        folder: The folder.

    Raises:
        UsageError: There is none, or something in it is wrong; the message has the file and the line.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder", hint="it is to have checks, in files *.toml")
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise UsageError(f"{folder} has no checks", hint="checks are in files *.toml, as docs/verify.md says")
    places: dict[str, Path] = {}
    found: list[Check] = []
    for path in paths:
        text = read_text(path)
        file = convert(path, text, parse(path, text), _File, what="the file of checks")
        for number, check in enumerate(file.checks):
            _examine(check, number, path, text)
            if check.name in places:
                line = line_of(text, f"checks[{number}].name")
                raise UsageError(f"{path}:{line}: a check {check.name} is there already, in {places[check.name]}")
            places[check.name] = path
            found.append(msgspec.structs.replace(check, group=check.group or file.group))
    return in_order(found)


def in_order(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return checks by their groups, bivy's own first."""
    known = {group: index for index, group in enumerate(_GROUPS)}
    return tuple(sorted(checks, key=lambda check: (known.get(check.group, len(known)), check.group or "")))


def with_folder(checks: Sequence[Check], folder: Path) -> tuple[Check, ...]:
    """Return checks with those of a folder of a person's own; one of a name that is there takes its place.

    Raises:
        UsageError: Something in the folder is wrong.
    """
    added = load_checks(folder)
    names = {check.name for check in added}
    return in_order([*(check for check in checks if check.name not in names), *added])


def chosen(checks: Sequence[Check], only: Sequence[str], without: Mapping[str, str]) -> tuple[Check, ...]:
    """Return the checks that a person wants.

    Args:
        checks: All that there are.
        only: Names of checks or groups; none for all.
        without: Checks to leave out, by name, each with the reason.

    Raises:
        UsageError: There is no such check, or a reason is missing.
    """
    names, groups = [check.name for check in checks], {check.group for check in checks}
    for name in (*only, *without):
        if name not in names and not (name in groups and name not in without):
            raise UsageError(
                f"there is no check {name!r}{nearest(name, [*names, *groups])}", hint="bivy verify --list lists them"
            )
    for name, reason in without.items():
        if not reason.strip():
            raise UsageError(
                f"{name} cannot be left out without a reason", hint=f"say why: --without '{name}=the reason'"
            )
    return tuple(check for check in checks if not only or check.name in only or check.group in only)


def _examine(check: Check, number: int, path: Path, text: str) -> None:
    """Refuse a check that could not be made."""
    import re

    from bivy.verify.readings import READINGS

    def refuse(key: str, what: str) -> UsageError:
        at = f"checks[{number}].{key}" if key else f"checks[{number}]"
        return UsageError(f"{path}:{line_of(text, at)}: {what}")

    if not re.search(_NAME, check.name):
        raise refuse("name", f"{check.name!r} is not a check's name: small letters and digits, with - in between")
    ways = [key for key in ("python", "command", "reading") if getattr(check, key) is not None]
    if len(ways) != 1:
        said = f"has {' and '.join(ways)}" if ways else "has none"
        raise refuse("", f"the check {check.name} {said}: it takes one of python, command and reading")
    if check.reading is not None and check.reading not in READINGS:
        near = nearest(check.reading, READINGS)
        raise refuse("reading", f"there is no reading `{check.reading}`{near}")
    if check.timeout < 1:
        raise refuse("timeout", f"{check.timeout} seconds are too few")
    for key in ("title", "why", "source", "remedy"):
        if not getattr(check, key).strip():
            raise refuse(key, f"the check {check.name} says nothing in `{key}`")
    if check.reading is not None:
        _examine_settings(check, number, path, text)


def _examine_settings(check: Check, number: int, path: Path, text: str) -> None:
    from bivy.verify.readings import READINGS

    assert check.reading is not None
    convert(path, text, check.settings, READINGS[check.reading].settings, at=f"checks[{number}].settings",
            what=f"the settings of {check.name}")  # fmt: skip
