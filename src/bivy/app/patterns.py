"""Which paths patterns mean: those of ``.gitignore``, and those of ``.dockerignore``, which begin at the top."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


def is_pattern(line: str) -> bool:
    """Tell whether a line is a pattern as ``.gitignore`` has them (gitignore(5))."""
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return "\n" not in line and "\0" not in line


def make_spec(lines: Iterable[str]) -> GitIgnoreSpec:
    """Return what patterns mean together; a line that is none means nothing, as git has it."""
    return GitIgnoreSpec.from_lines(line for line in lines if is_pattern(line))


def from_dockerignore(text: str) -> list[str]:
    """Return the patterns of a ``.dockerignore`` as ``.gitignore`` would write them.

    They are relative to the top of the folder, in whichever folder the name stands (Dockerfile reference,
    ".dockerignore files").
    """
    patterns = []
    for line in text.splitlines():
        bare = line.strip()
        if not bare or line.startswith("#"):
            continue
        sign = "!" if bare.startswith("!") else ""
        path = posixpath.normpath("/" + bare.removeprefix("!").strip().lstrip("/"))
        if path != "/":
            patterns.append(f"{sign}{path}")
    return patterns


def to_dockerignore(patterns: Iterable[str]) -> list[str]:
    """Return patterns as ``.gitignore`` has them as a ``.dockerignore`` writes them."""
    written = []
    for pattern in patterns:
        sign = "!" if pattern.startswith("!") else ""
        bare = pattern.removeprefix("!").rstrip("/")
        anchored = "/" in bare
        written.append(f"{sign}{bare.lstrip('/')}" if anchored else f"{sign}**/{bare}")
    return written
