"""Shell patterns, and the newest of several versions of a package."""

from __future__ import annotations

import re

from bivy.apk import version as versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bivy.apk.solve.universe import Candidate


def any_matches(patterns: Iterable[str], texts: Iterable[str], flags: int = 0) -> bool:
    """Tell whether one of the patterns (``*``, ``?``, ``[…]``) is one of the texts, whole."""
    from fnmatch import translate

    compiled = [re.compile(translate(pattern), flags) for pattern in patterns]
    return any(pattern.match(text) for text in texts for pattern in compiled)


def newest_of_each(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Keep the newest version of each package, in the order in which the names first come."""
    found: dict[str, Candidate] = {}
    for candidate in candidates:
        known = found.setdefault(candidate.entry.name, candidate)
        if versions.compare(candidate.entry.version, known.entry.version) > 0:
            found[candidate.entry.name] = candidate
    return list(found.values())
