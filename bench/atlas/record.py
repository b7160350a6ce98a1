"""What happened to each package, as values and as a file of one JSON object a line."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bivy.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
NAMES = FOLDER / "names.txt"
RECORD = FOLDER / "record.jsonl"


class Outcome(enum.StrEnum):
    """How `pip install` ended."""

    INSTALLED = "installed"
    NOTHING_FITS = "nothing fits"
    """There is no version, wheel or source, that pip would take."""
    CONFLICT = "conflict"
    """No versions of what is required go together."""
    NOT_BUILT = "not built"
    """A source archive could not be built."""
    TOO_LONG = "too long"
    """It was given up after the time allowed."""
    FAILED = "failed"
    """It failed otherwise."""


class Cause(enum.StrEnum):
    """Why a module could not be imported."""

    LIBRARY = "a shared library that the image has not"
    SYMBOL = "a symbol that musl has not"
    CRASH = "a crash"
    MODULE = "a module that the distribution does not require"
    CONFIGURATION = "a setting that it is to be given"
    DISPLAY = "a display"
    SERVICE = "a service that is to run"
    TOO_LONG = "more time than allowed"
    OTHER = "something else"

    @property
    def of_the_image(self) -> bool:
        """Whether musl or the image is the reason, not the distribution by itself."""
        return self in (Cause.LIBRARY, Cause.SYMBOL, Cause.CRASH)


class Unimported(msgspec.Struct, frozen=True, omit_defaults=True):
    """A module that could not be imported, or a shared library that could not be loaded.

    Attributes:
        what: The module's name, or the library's path below site-packages.
        cause: Why.
        text: What was said: the last line.
    """

    what: str
    cause: Cause
    text: str


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened to one package.

    Attributes:
        name: The name that was asked for.
        day: When, as in 2026-11-25.
        outcome: How the installation ended.
        version: The version that pip chose; empty where it is not known.
        culprit: Where it was refused: the distribution that could not be had or built, which may be a dependency.
        reason: Where it was refused: why, a line from what pip or the build said.
        unreached: Whether a build wanted something from the network, beside the index, that could not be had, so that
            it is not known how the build would have gone on.
        files: What pip chose, its file by the distribution's normalised name; empty where pip did not get that far.
        built: What was built from source: the file of the wheel that came of it, by the distribution's name.
        modules: The modules that were to be imported.
        unimported: Those that could not be.
        unloaded: Shared libraries, of dependencies too, that could not be loaded.
    """

    name: str
    day: str
    outcome: Outcome
    version: str = ""
    culprit: str = ""
    reason: str = ""
    unreached: bool = False
    files: dict[str, str] = msgspec.field(default_factory=dict)
    built: dict[str, str] = msgspec.field(default_factory=dict)
    modules: tuple[str, ...] = ()
    unimported: tuple[Unimported, ...] = ()
    unloaded: tuple[Unimported, ...] = ()

    @property
    def imports(self) -> bool:
        """Whether nothing failed to be imported for a reason that is musl's or the image's."""
        return not any(each.cause.of_the_image for each in self.unimported)


class Head(msgspec.Struct, frozen=True):
    """Where it all happened.

    Attributes:
        image: The image's name.
        digest: Its manifest's digest.
        python: Its Python's version.
        pip: Its pip's.
        machine: The architecture.
    """

    image: str
    digest: str
    python: str
    pip: str
    machine: str


def normalise(name: str) -> str:
    """Return a distribution's name as an index writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_names(path: Path = NAMES) -> list[str]:
    """Return the names in a file, one a line, `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [normalise(line) for line in lines if line]


def read_record(path: Path = RECORD) -> tuple[Head | None, dict[str, Attempt]]:
    """Return what is recorded, by name; nothing where there is no record."""
    if not path.exists():
        return None, {}
    first, *lines = path.read_bytes().splitlines()
    attempts = [msgspec.json.decode(line, type=Attempt) for line in lines]
    return msgspec.json.decode(first, type=Head), {attempt.name: attempt for attempt in attempts}


def write_record(head: Head, attempts: Mapping[str, Attempt], path: Path = RECORD) -> None:
    """Write a record, a line a package, in the order of their names."""
    lines = [head, *(attempts[name] for name in sorted(attempts))]
    write_whole(path, b"".join(msgspec.json.encode(line, order="sorted") + b"\n" for line in lines))
