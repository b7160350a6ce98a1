"""``apk fetch``: download packages' files."""

from __future__ import annotations

import os
import sys

from bivy.apk import version as versions
from bivy.apk.dependency import parse_dependency
from bivy.apk.errors import ApkError
from bivy.apk.fetch.repository import package_url, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.solve.universe import Candidate

OPTIONS: tuple[Option, ...] = (
    ("built-after", "", "TIME", "Only packages made after this: seconds since 1970, or YYYY-MM-DD hh:mm:ss."),
    ("link", "l", "", "Make links to files that are on this machine."),
    ("output", "o", "DIR", "Write them here.  [.]"),
    ("recursive", "R", "", "All that they need, too."),
    ("simulate", "", "", "Show what would be done, and do nothing."),
    ("stdout", "s", "", "Write them to standard output, one after another."),
    ("url", "", "", "Print the addresses."),
    ("world", "w", "", "All that the world means."),
)


def main(session: Session) -> int:
    """Download the newest of each package that is named."""
    session.refresh = False
    given = session.given
    if given.has("stdout"):
        session.verbosity, session.progress = 0, False
        if sys.stdout.isatty() and not session.forced("binary-stdout"):
            raise ApkError("a package is no text for a terminal", hint="write to a file, or --force-binary-stdout")
    session.source = session.given.value("from", "repositories")  # what is only installed cannot be had
    errors = 0
    with session.client:
        wanted, missing = _wanted(session)
        for word in missing:
            session.error(f"{word}: unable to select package (or its dependencies)")
        if missing:
            return len(missing)
        for candidate in sorted(wanted, key=str):
            errors += not _fetch(session, candidate)
    return errors


def _wanted(session: Session) -> tuple[list[Candidate], list[str]]:
    """Return what to download, and the words that nothing is there for."""
    given = session.given
    recursive = given.has("recursive") or given.has("world")
    missing = [word for word in given.words if not session.matching([word])]
    if missing:
        return [], missing
    if not recursive:
        found = [_newest(session, name) for name in session.matching(given.words)]
    else:
        from bivy.apk.solve.solver import SolverOptions, solve

        world = [parse_dependency(name) for name in session.matching(given.words)]
        if given.has("world"):
            world += (parse_dependency(word) for word in session.state.world)
        names = frozenset(need.name for need in world)
        options = SolverOptions(ignore_conflicts=True, choose_freely=names)
        found = list(solve(session.universe, world, options).packages)
    after = _time(given.value("built-after")) if given.has("built-after") else 0
    return [it for it in found if not (after and it.entry.build_date and it.entry.build_date <= after)], []


def _newest(session: Session, name: str) -> Candidate:
    """Return the newest package that is called so, or provides it where none is."""
    found = session.packages(name) or session.providers(name)
    newest = found[0]
    for candidate in found:
        if versions.compare(candidate.entry.version, newest.entry.version) > 0:
            newest = candidate
    return newest


def _time(text: str) -> int:
    import calendar
    import time

    if text.isascii() and text.isdecimal():
        return int(text)
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        raise ApkError(f"{text!r} is not a time", hint="seconds since 1970, or YYYY-MM-DD hh:mm:ss") from None


def _fetch(session: Session, candidate: Candidate) -> bool:
    """Download one package; tell whether it is there."""
    from bivy.apk.fetch.repository import local_path

    given, entry = session.given, candidate.entry
    repositories = [session.repositories[position] for position in candidate.repositories]
    if not repositories:
        session.error(f"{candidate}: no repository has it")
        return False
    target = os.path.join(given.value("output", "."), f"{entry.name}-{entry.version}.apk")
    if not given.has("stdout") and os.path.exists(target) and os.stat(target).st_size == entry.size:
        return True
    address = package_url(repositories[0], entry, session.arch)
    session.say(printable(address) if given.has("url") else f"Downloading {candidate}")
    if given.has("simulate"):
        return True
    here = local_path(address)
    if given.has("link") and here and not given.has("stdout"):
        try:
            os.link(here, target)
        except OSError:
            pass
        else:
            return True
    try:
        content = session.client.fetch_package(entry, repositories)
    except ApkError as fault:
        session.error(str(fault))
        return False
    if given.has("stdout"):
        sys.stdout.buffer.write(content)
    else:
        _write(target, content)
    return True


def _write(target: str, content: bytes) -> None:
    """Write a file whole, or not at all."""
    temporary = f"{target}.{os.getpid()}"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, target)
    except OSError as fault:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise ApkError(f"{target} cannot be written: {fault.strerror}") from None
