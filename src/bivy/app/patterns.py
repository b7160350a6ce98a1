"""Which paths patterns mean: those of ``.gitignore``, and those of ``.dockerignore``, which begin at the top."""

from __future__ import annotations

import posixpath
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns, of which the last that means a path decides.

    Attributes:
        spec: What they mean.
        any_of_them: Finds whether any of them means a path: most paths are meant by none, and there are many.
    """

    spec: GitIgnoreSpec
    any_of_them: re.Pattern[str]

    def include(self, path: str) -> bool | None:
        """Tell whether a path is meant; ``False`` where a pattern with ``!`` says not, ``None`` where none says.

        Args:
            path: The path, relative to where the patterns are from; a folder's ends with ``/``.
        """
        return self.spec.check_file(path).include if self.any_of_them.search(path) else None


def is_pattern(line: str) -> bool:
    """Tell whether a line is a pattern as ``.gitignore`` has them (gitignore(5))."""
    try:
        make_patterns([line], forgiving=False)
    except (ValueError, re.error):
        return False
    return "\n" not in line and "\0" not in line


def make_patterns(lines: Iterable[str], *, forgiving: bool = True) -> Patterns:
    """Return what patterns mean together.

    Args:
        lines: The patterns.
        forgiving: Whether a line that is none means nothing, as git has it.

    Raises:
        ValueError, re.error: A line is none, and that is not forgiven.
    """
    with warnings.catch_warnings():  # some patterns make regular expressions that Python warns of
        warnings.simplefilter("ignore")
        found = []
        for line in lines:
            try:
                found.append(GitIgnoreSpecPattern(line))
            except (ValueError, re.error):
                if not forgiving:
                    raise
        # The library's expressions name a group each, all of them the same.
        sources = [re.sub(r"\(\?P<\w+>", "(?:", each.regex.pattern) for each in found if each.regex is not None]
        return Patterns(GitIgnoreSpec(found), re.compile("|".join(sources) or r"(?!)"))


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
        # What is no path means nothing in one, and is made a path of in the other.
        if not pattern.startswith("#") and {"", ".", ".."}.isdisjoint(bare.removeprefix("/").split("/")):
            written.append(f"{sign}{bare.lstrip('/')}" if "/" in bare else f"{sign}**/{bare}")
    return written
