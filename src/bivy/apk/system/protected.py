"""Which folders hold what people change: there apk keeps a changed file and puts the new one beside it.

The rules are those of apk-protected_paths(5): lines of ``etc/apk/protected_paths.d/*.list``, after three that are
built in.
"""

from __future__ import annotations

import enum
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bivy.apk.system.root import Root

_FOLDER = "etc/apk/protected_paths.d"
_BUILT_IN = "+etc\n@etc/init.d\n!etc/apk\n"
# What genuine apk's `audit --full` goes by instead.
FULL_AUDIT = "+etc\n@etc/init.d\n-dev\n-home\n-lib/apk\n-lib/rc/cache\n-proc\n-root\n-run\n-sys\n-tmp\n-var\n"


class Protection(enum.Enum):
    """How the files of a folder are treated."""

    NONE = "none"
    IGNORED = "-"
    CHANGED = "+"
    LINKS = "@"
    ALL = "!"

    @property
    def keeps(self) -> bool:
        """Whether a changed file stays where it is."""
        return self not in (Protection.NONE, Protection.IGNORED)


Rule = tuple[tuple[str, ...], Protection]
"""The words of a path, with wildcards, and what it is for what they match."""


def _translate(pattern: str) -> str:
    pieces: list[str] = []
    position = 0
    while position < len(pattern):
        letter = pattern[position]
        position += 1
        end = pattern.find("]", position + 1 + (pattern[position : position + 1] == "!"))
        if letter == "*":
            pieces.append("[^/]*")
        elif letter == "?":
            pieces.append("[^/]")
        elif letter == "[" and end > 0:
            within = pattern[position:end].replace("\\", r"\\").replace("[", r"\[")
            within = f"^{within[1:]}" if within.startswith("!") else within.replace("^", r"\^")
            pieces.append(f"(?!/)[{within}]")
            position = end + 1
        elif letter == "\\" and position < len(pattern):
            pieces.append(re.escape(pattern[position]))
            position += 1
        else:
            pieces.append(re.escape(letter))
    return "".join(pieces)


def matches(pattern: str, path: str) -> bool:
    """Tell whether a path is what a pattern with wildcards means, none of which stands for ``/`` (POSIX, fnmatch)."""
    if not any(letter in "*?[\\" for letter in pattern):
        return pattern == path
    try:
        return re.fullmatch(_translate(pattern), path, re.DOTALL) is not None
    except re.error:
        return False


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Read rules, one a line: a path without or with ``+`` is protected, ``-`` is not, ``@`` for links, ``!`` all."""
    rules: list[Rule] = []
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        marked = line[0] in "-+@!"
        path = (line[1:] if marked else line).strip("/")
        rules.append((tuple(path.split("/")), Protection(line[0]) if marked else Protection.CHANGED))
    return tuple(rules)


def read_rules(root: Root) -> tuple[Rule, ...]:
    """Return the rules of a root."""
    contents = (root.read(f"{_FOLDER}/{name}") for name in root.names(_FOLDER) if name.endswith(".list"))
    texts = [(content or b"").decode(errors="surrogateescape") for content in contents]
    return parse_rules("\n".join([_BUILT_IN, *texts]))


def _agree(words: Iterable[str], path: Iterable[str]) -> bool:
    return all(matches(word, part) for word, part in zip(words, path, strict=False))


def protection(rules: Sequence[Rule], path: str) -> Protection:
    """Return how what is in a folder is treated (or a file at that path): as the longest rule says, of these the last.

    Args:
        rules: The rules.
        path: The folder, relative to the root.
    """
    parts = path.split("/") if path else []
    found, longest = Protection.NONE, 0
    for words, kind in rules:
        if longest <= len(words) <= len(parts) and _agree(words, parts):
            found, longest = kind, len(words)
    return found


def has_protected_below(rules: Sequence[Rule], path: str) -> bool:
    """Tell whether anything in a folder, or in the folders in it, may be protected."""
    parts = path.split("/") if path else []
    if not parts or protection(rules, path.rpartition("/")[0]).keeps:
        return True
    return any(kind.keeps and len(words) >= len(parts) and _agree(words, parts) for words, kind in rules)
