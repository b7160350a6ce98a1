"""What the image has that a person's code may ask for: programs, libraries, time zones, users."""

from __future__ import annotations

import functools
import posixpath
import tomllib
from pathlib import Path

import msgspec

FILE = Path(__file__).parent / "image.toml"


class ImageFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an image has.

    Attributes:
        reference: Which image, as a person names it.
        programs: Absolute paths of all programs in the folders of its ``PATH``.
        applets: Names of those that are busybox's.
        builtins: The commands that its ``/bin/sh`` has in itself.
        libraries: File names of the shared libraries where the loader looks.
        zones: Keys of the time zones that ``zoneinfo`` finds.
        users: Names in ``/etc/passwd``.
        groups: Names in ``/etc/group``.
        lacks: For an applet, the options of the GNU program (procps's, util-linux's, …) that it refuses.
        values: For a program, its one-letter options that take a value, so that ``-n5`` is read right.
    """

    reference: str
    programs: frozenset[str]
    applets: frozenset[str]
    builtins: frozenset[str]
    libraries: frozenset[str]
    zones: frozenset[str]
    users: frozenset[str]
    groups: frozenset[str]
    lacks: dict[str, frozenset[str]] = {}
    values: dict[str, str] = {}

    def has_program(self, command: str) -> bool:
        """Say whether a command, a name or an absolute path, is a program of the image."""
        if command.startswith("/"):
            return posixpath.normpath(command) in self.programs
        return command in _names(self.programs)


@functools.cache
def _names(programs: frozenset[str]) -> frozenset[str]:
    return frozenset(path.rpartition("/")[2] for path in programs)


@functools.cache
def base_image() -> ImageFacts:
    """Return what ``python:3.14-alpine`` has, as it was read from the built image."""
    with FILE.open("rb") as file:
        return msgspec.convert(tomllib.load(file), ImageFacts)
