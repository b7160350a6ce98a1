"""What rules look for that takes more than a name and a regular expression, by the name that the data calls it."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bivy.musl.code.names import UNKNOWN
from bivy.musl.code.shell import bashisms

if TYPE_CHECKING:
    from collections.abc import Callable

    from bivy.musl.code.commands import Run
    from bivy.musl.code.image import ImageFacts

Found: TypeAlias = "tuple[str, str] | None"
"""What was found: what it is about, such as the program's name, and how to say it."""

_LIBRARY = re.compile(r"lib[\w+-]+\.so(?:\.\d+)*")
_IN_MUSL = ("libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet.")
"""Beginnings of the names that musl's loader takes for itself (ldso/dynlink.c, load_library)."""

_RUN_OTHERS = frozenset({"env", "flock", "ionice", "linux32", "linux64", "nice", "nohup", "nsenter", "setpriv",
                          "setsid", "time", "timeout", "unshare", "watch", "xargs"})  # fmt: skip
"""Programs whose words go on with another program's."""

_OF_GLIBC = re.compile(
    r"lib(?:crypt|nsl|resolv|anl|thread_db|BrokenLocale|nss_\w+|mvec|c_malloc_debug)\b|ld-linux|linux-gnu"
)


@functools.cache
def _packages() -> dict[str, dict[str, str]]:
    with (Path(__file__).parent / "programs.toml").open("rb") as file:
        return tomllib.load(file)


def glibc_library(told: str, image: ImageFacts) -> Found:
    """Find a library that is part of glibc, and of nothing that can be added."""
    return (told, told) if _OF_GLIBC.search(told) and told not in image.libraries else None


def missing_library(told: str, image: ImageFacts) -> Found:
    """Find a library, by its file name, that the loader does not find in the image."""
    if not _LIBRARY.fullmatch(told) or told.startswith(_IN_MUSL) or glibc_library(told, image):
        return None
    return None if told in image.libraries else (told, told)


def missing_short_library(told: str, image: ImageFacts) -> Found:
    """Find a library, by its short name as ``find_library`` takes it, that the image does not have."""
    if UNKNOWN in told or not re.fullmatch(r"[\w+-]+", told) or f"lib{told}.so".startswith(_IN_MUSL):
        return None
    return None if any(name.startswith(f"lib{told}.so") for name in image.libraries) else (told, told)


def missing_zone(told: str, image: ImageFacts) -> Found:
    """Find a time zone that the image does not know."""
    return None if told in image.zones or UNKNOWN in told or not told else (told, told)


def missing_user(told: str, image: ImageFacts) -> Found:
    """Find a user of Debian's base that the image does not have."""
    return (told, told) if told in _packages()["users"] and told not in image.users else None


def missing_group(told: str, image: ImageFacts) -> Found:
    """Find a group of Debian's base that the image does not have."""
    return (told, told) if told in _packages()["groups"] and told not in image.groups else None


def missing_program(run: Run, image: ImageFacts) -> Found:
    """Find a well-known program that the image does not have."""
    program = _missing(run, image)
    if program is None:
        return None
    name = program.rpartition("/")[2]
    package = _packages()["programs"].get(name)
    if image.has_program(name):
        return program, f"the image has no {program}, but a {name} elsewhere on PATH: run it by its name"
    if package is None:
        return None
    return program, f"the image has no {program}" + (f"; Alpine's package {package} has it" if package else "")


def unknown_program(run: Run, image: ImageFacts) -> Found:
    """Find a program of which it is only known that the image does not have it."""
    program = _missing(run, image)
    if program is None or missing_program(run, image) or "/" in program:
        return None
    return None if program in _packages()["foreign"] or program.endswith((".exe", ".bat")) else (program, program)


def lacking_option(run: Run, image: ImageFacts) -> Found:
    """Find an option that GNU's program has and busybox's applet of that name refuses."""
    if not run.words:
        return None
    program = run.words[0].rpartition("/")[2]
    lacks = image.lacks.get(program) if program in image.applets else None
    if not lacks:
        return None
    whole = any(len(option) > 2 and option[1] != "-" for option in lacks)  # find's words have one dash
    words = run.words[1:] if whole else _options(run, image.values.get(program, ""))
    for word in words:
        if word in lacks:
            return f"{program} {word}", f"{program} {word}"
    return None


def bash_words(run: Run, image: ImageFacts) -> Found:  # noqa: ARG001
    """Find what only bash understands in a script for ``/bin/sh``."""
    found = bashisms(run.script) if run.script else []
    return (found[0], ", ".join(found)) if found else None


def _missing(run: Run, image: ImageFacts) -> str | None:
    if not run.words or UNKNOWN in run.words[0] or image.has_program(run.words[0]):
        return None
    program = run.words[0]
    if program in image.builtins or not re.fullmatch(r"(?:/(?:usr/)?(?:local/)?s?bin/)?[\w+-][\w.+-]*", program):
        return None
    return None if re.fullmatch(r"(?:.*/)?(?:python|pip)[\d.]*", program) else program


def _options(run: Run, values: str) -> list[str]:
    """Return the options in a command's words, one-letter ones apart: ``-la`` is ``-l`` and ``-a``."""
    found: list[str] = []
    skip = False
    others = run.words[0].rpartition("/")[2] in _RUN_OTHERS
    for word in run.words[1:]:
        if word == "--" or (others and not skip and not word.startswith("-")):
            break
        if skip or UNKNOWN in word[:2] or not word.startswith("-") or word == "-":
            skip = False
            continue
        if word.startswith("--"):
            found.append(word.partition("=")[0])
            continue
        for position, letter in enumerate(word[1:], 1):
            found.append(f"-{letter}")
            if letter in values:
                skip = position == len(word) - 1
                break
    return found


OF_TEXT: dict[str, Callable[[str, ImageFacts], Found]] = {
    function.__name__: function
    for function in (glibc_library, missing_library, missing_short_library, missing_zone, missing_user, missing_group)
}
OF_RUNS: dict[str, Callable[[Run, ImageFacts], Found]] = {
    function.__name__: function for function in (missing_program, unknown_program, lacking_option, bash_words)
}
