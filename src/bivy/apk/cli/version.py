"""``apk version``: compare what is installed with what there is, or two versions with each other."""

from __future__ import annotations

from bivy.apk import version as versions
from bivy.apk.errors import ApkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.solve.universe import Candidate

OPTIONS: tuple[Option, ...] = (
    ("all", "a", "", "Look in tagged repositories too."),
    ("check", "c", "", "Print those of the words that are no versions."),
    ("indexes", "I", "", "Print the repositories and what they call themselves."),
    ("limit", "l", "SIGNS", "Only packages whose sign is one of these: <, =, >."),
    ("test", "t", "", "Compare two versions and print <, = or >."),
)
_WIDTH = 39


def main(session: Session) -> int:
    """Print the versions."""
    session.refresh = False
    given = session.given
    if given.has("test"):
        if len(given.words) != 2:
            raise ApkError("apk version --test compares two versions")
        session.put("=><"[versions.compare(*given.words)])
        return 0
    if given.has("check"):
        wrong = [word for word in given.words if not versions.is_valid(word)]
        for word in wrong if session.verbosity > 0 else ():
            session.put(word)
        return len(wrong)
    if given.has("indexes"):
        for index in session.indexes:
            session.put(f"{index.description} [{index.repository.url}]")
        return 0
    limit = given.value("limit") or ("<" if not given.words and session.verbosity == 1 else "")
    rows = [row for row in (_row(session, name) for name in _names(session)) if row and (not limit or row[1] in limit)]
    _print(session, rows)
    return 0


def _names(session: Session) -> list[str]:
    if session.given.words:
        return session.matching(session.given.words)
    return sorted(package.entry.name for package in session.state.installed)


def _row(session: Session, name: str) -> tuple[str, str, Candidate] | None:
    """Return a package's installed version, how that compares, and the newest there is."""
    installed = session.installed(name)
    if installed is None:
        return None
    newest: Candidate | None = None
    for candidate in session.packages(name):
        mine = candidate.installed is not None
        if not mine and not (session.given.has("all") or session.allowed(candidate, installed.repository_tag)):
            continue
        if newest is None or versions.compare(candidate.entry.version, newest.entry.version) > 0:
            newest = candidate
    assert newest is not None
    sign = "=><"[versions.compare(installed.entry.version, newest.entry.version)]
    return f"{name}-{installed.entry.version}", sign, newest


def _print(session: Session, rows: list[tuple[str, str, Candidate]]) -> None:
    width = max([_WIDTH, *(len(label) for label, _, _ in rows)])
    if session.verbosity > 0:
        session.put(f"{'Installed:':{width}}   Available:")
    for label, sign, newest in rows:
        if session.verbosity <= 0:
            session.put(newest.entry.name)
            continue
        tags = [session.repositories[position].tag for position in newest.repositories]
        tag = f"@{tags[0]}" if tags and all(tags) else ""
        session.put(f"{label:{width}} {sign} {newest.entry.version} {tag}")
