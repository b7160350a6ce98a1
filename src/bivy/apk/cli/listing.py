"""``apk list``: list packages, those that are installed, that there are, or that can be upgraded."""

from __future__ import annotations

from bivy.apk import version as versions
from bivy.apk.cli.patterns import any_matches
from bivy.apk.dependency import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.solve.universe import Candidate

OPTIONS: tuple[Option, ...] = (
    ("available", "a", "", "Those that a repository has."),
    ("depends", "d", "", "Those that depend on the names."),
    ("installed", "I", "", "Those that are installed."),
    ("origin", "o", "", "Those of the recipes of these names."),
    ("orphaned", "O", "", "Those that are installed and that no repository has."),
    ("providers", "P", "", "Those that provide the names."),
    ("upgradable", "u", "", "Those that are newer than what is installed."),
    ("upgradeable", "", "", "The same as --upgradable."),
)


def main(session: Session) -> int:
    """Print the packages."""
    session.refresh = False
    for name in session.names():
        for mark, candidate in _found(session, name):
            if _shown(session, candidate):
                session.put(mark + _line(session, candidate))
    return 0


def _found(session: Session, name: str) -> Iterator[tuple[str, Candidate]]:
    """Yield the packages that a name stands for, each with what goes before it."""
    given, patterns = session.given, session.given.words
    if given.has("origin"):
        yield from (("", it) for it in session.packages(name) if it.entry.origin in patterns)
    elif given.has("depends"):
        for candidate in session.packages(name):
            needed = [name_of(word) for word in candidate.entry.depends if not word.startswith("!")]
            if any_matches(patterns, needed):
                yield "", candidate
    elif given.has("providers"):
        for candidate in session.packages(name):
            for provided in (name, *(name_of(word) for word in candidate.entry.provides)):
                if not patterns or any_matches(patterns, [provided]):
                    yield f"<{provided}> ", candidate
    elif not patterns or any_matches(patterns, [name]):
        yield from (("", candidate) for candidate in session.packages(name))


def _shown(session: Session, candidate: Candidate) -> bool:
    given = session.given
    upgradable = given.has("upgradable") or given.has("upgradeable")
    if (given.has("installed") or given.has("orphaned")) and not upgradable and candidate.installed is None:
        return False
    if given.has("orphaned") and not upgradable:
        return not any(other.repositories for other in session.packages(candidate.entry.name))
    if given.has("available") and not candidate.repositories:
        return False
    return not upgradable or _upgraded_from(session, candidate) is not None


def _upgraded_from(session: Session, candidate: Candidate) -> str | None:
    """Return the installed version that a package is newer than, where it may take its place."""
    installed = session.installed(candidate.entry.name)
    if installed is None or not session.allowed(candidate, installed.repository_tag):
        return None
    older = versions.compare(installed.entry.version, candidate.entry.version) < 0
    return installed.entry.version if older else None


def _line(session: Session, candidate: Candidate) -> str:
    entry = candidate.entry
    if session.verbosity <= 0:
        return entry.name
    older = _upgraded_from(session, candidate)
    state = ""
    if candidate.installed is not None:
        state = " [installed]"
    elif older is not None:
        state = f" [upgradable from: {entry.name}-{older}]"
    more = f"\n  {entry.description}" if session.verbosity > 1 else ""
    more += f"\n  <{entry.url}>" if session.verbosity > 2 else ""
    return f"{session.label(candidate)} {entry.arch} {{{entry.origin or entry.name}}} ({entry.license}){state}{more}"
