"""``apk search``: find packages by name, description or origin."""

from __future__ import annotations

import re

from bivy.apk.cli.patterns import any_matches, newest_of_each
from bivy.apk.dependency import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.index import IndexEntry
    from bivy.apk.solve.universe import Candidate

OPTIONS: tuple[Option, ...] = (
    ("all", "a", "", "All versions, not the newest of each alone."),
    ("description", "d", "", "Look in descriptions too."),
    ("exact", "e", "", "Take patterns as whole names."),
    ("exact-name", "x", "", "The same as --exact."),
    ("has-origin", "", "", "Find the packages of the recipes of these names."),
    ("origin", "o", "", "Print the names of the recipes that packages come from."),
    ("rdepends", "r", "", "Print what needs the packages that are found."),
)


def main(session: Session) -> int:
    """Print what is found."""
    session.refresh = False
    given = session.given
    exact = given.has("exact") or given.has("exact-name") or given.has("has-origin")
    patterns = tuple(word if exact else f"*{word}*" for word in given.words)
    every = [candidate for name in session.names() for candidate in session.packages(name)]
    found = [candidate for candidate in every if _wanted(session, candidate, patterns)]
    if not (given.has("all") or given.has("description") or given.has("has-origin")):
        found = newest_of_each(found)
    for candidate in found:
        if given.has("rdepends"):
            if session.verbosity > 0:
                session.put(f"{session.label(candidate)} is required by:")
            for other in every:
                if _needs(other, candidate):
                    session.put(_line(session, other.entry))
        else:
            session.put(_line(session, candidate.entry))
    return 0


def _wanted(session: Session, candidate: Candidate, patterns: tuple[str, ...]) -> bool:
    entry = candidate.entry
    if session.given.has("has-origin"):
        return entry.origin in patterns
    names = [entry.name, *(name_of(word) for word in entry.provides)]
    if session.given.has("description"):
        return any_matches(patterns, [entry.name, entry.description], re.IGNORECASE)
    return not patterns or any_matches(patterns, names)


def _needs(other: Candidate, candidate: Candidate) -> bool:
    names = {candidate.entry.name, *(name_of(word) for word in candidate.entry.provides)}
    return any(name_of(word) in names for word in other.entry.depends if not word.startswith("!"))


def _line(session: Session, entry: IndexEntry) -> str:
    name = (entry.origin or entry.name) if session.given.has("origin") else entry.name
    version = f"-{entry.version}" if session.verbosity > 0 else ""
    description = f" - {entry.description}" if session.verbosity > 1 and not session.given.has("origin") else ""
    return name + version + description
