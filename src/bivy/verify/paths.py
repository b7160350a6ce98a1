"""Patterns of paths as checks have them, such as ``usr/lib/**/*.a``."""

from __future__ import annotations

import functools
import re


@functools.cache
def pattern(text: str) -> re.Pattern[str]:
    """Return what matches the paths that a pattern means, from the root, without a leading slash.

    ``*`` is any part of a name, ``?`` one character of it, ``[…]`` one of some; ``**/`` is any number of folders, also
    none, and ``**`` at the end all that is below.
    """
    pieces = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]]+\])", text.lstrip("/"))
    spelled = (
        pieces.get(word) or (_one_of(word) if word.startswith("[") and len(word) > 1 else re.escape(word))
        for word in words
    )
    return re.compile("".join(spelled), re.DOTALL)


def _one_of(word: str) -> str:
    inner = word[1:-1]
    negated = inner.startswith("!")
    letters = "".join(letter if letter == "-" else re.escape(letter) for letter in inner.removeprefix("!"))
    return f"[{'^' if negated else ''}{letters}]"


def matches(path: str, text: str) -> bool:
    """Tell whether a path is one of those that a pattern means."""
    return pattern(text).fullmatch(path) is not None
