"""``apk info``: what is installed, all about packages, and whose a file is."""

from __future__ import annotations

import os

from bivy.apk.cli.console import human_size
from bivy.apk.dependency import name_of, parse_dependency

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.database import InstalledPackage
    from bivy.apk.solve.universe import Candidate

OPTIONS: tuple[Option, ...] = (
    ("all", "a", "", "All that there is to say."),
    ("contents", "L", "", "The files."),
    ("depends", "R", "", "What it depends on."),
    ("description", "d", "", "What it is."),
    ("install-if", "", "", "What brings it in by itself."),
    ("installed", "e", "", "Print those of the packages that are installed; the status says whether all are."),
    ("license", "", "", "The licence."),
    ("provides", "P", "", "What it provides."),
    ("rdepends", "r", "", "The installed packages that depend on it."),
    ("replaces", "", "", "Whose files it may overwrite."),
    ("rinstall-if", "", "", "The installed packages that it brings in."),
    ("size", "s", "", "The size of its files."),
    ("triggers", "t", "", "The folders that it watches."),
    ("webpage", "w", "", "Where its project is at home."),
    ("who-owns", "W", "", "Print whose the files are that are named."),
)


def main(session: Session) -> int:
    """Print what is asked for; the status is the number of packages and files that are not there."""
    given = session.given
    session.offline = not (given.has("update-cache") or given.has("no-cache"))
    if given.has("installed"):
        return sum(_print_if_installed(session, word) for word in given.words)
    if given.has("who-owns"):
        return _print_owners(session)
    if not given.words:
        for package in sorted(session.state.installed, key=lambda package: package.entry.name):
            _print_short(session, package, 1)
        return 0
    errors = 0
    for word in given.words:
        names = session.matching([word])
        errors += not names
        for name in names:
            for candidate in session.providers(name):
                _print_all(session, candidate)
    return errors


def _print_short(session: Session, package: InstalledPackage, least: int) -> None:
    if max(session.verbosity, least) < 1:
        return
    entry = package.entry
    version = f"-{entry.version}" if session.verbosity > 1 else ""
    description = f" - {entry.description}" if session.verbosity > 2 else ""
    session.put(entry.name + version + description)


def _print_if_installed(session: Session, word: str) -> bool:
    """Print a package that is installed; tell whether it is not."""
    wanted = parse_dependency(word)
    found = [it for it in session.providers(wanted.name) if it.installed is not None]
    satisfied = [it for it in found if session.satisfies(it, wanted)]
    if wanted.conflict:
        return bool(satisfied)
    for candidate in satisfied[:1]:
        assert candidate.installed is not None
        _print_short(session, candidate.installed, 0)
    return not satisfied


def _print_owners(session: Session) -> int:
    owners = {
        os.path.join(folder.path, file.name): package
        for package in session.state.installed
        for folder in package.folders
        for file in folder.files
    }
    errors, names = 0, list[str]()
    for word in session.given.words:
        path = word if word.startswith("/") else os.path.realpath(word)
        via, package = "", owners.get(path.lstrip("/"))
        place = os.path.join(session.root, path.lstrip("/"))
        if package is None and os.path.islink(place) and os.readlink(place).startswith("/"):
            via, package = "symlink target ", owners.get(os.readlink(place).lstrip("/"))
        if package is None:
            session.error(f"{path}: Could not find owner package")
            errors += 1
        elif session.verbosity < 1:
            names.append(package.entry.name)
        else:
            shown = os.readlink(place) if via else path
            session.put(f"{shown} {via}is owned by {package.entry.name}-{package.entry.version}")
    if names:
        session.put(" ".join(dict.fromkeys(names)))
    return errors


def _print_all(session: Session, candidate: Candidate) -> None:
    given = session.given
    asked = [option for option, _, needs in _PARTS if given.has(option) or given.has("all")]
    for option, function, needs_installed in _PARTS:
        if option not in (asked or ("description", "webpage", "size")):
            continue
        if needs_installed and candidate.installed is None:
            continue
        title, lines = function(session, candidate)
        if session.verbosity > 1:
            session.put(f"{candidate.entry.name}: {' '.join(lines)}\n")
        else:
            head = [f"{session.label(candidate)} {title}:"] if session.verbosity == 1 else []
            session.put("\n".join([*head, *lines, ""]))


def _description(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "description", [candidate.entry.description]


def _webpage(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "webpage", [candidate.entry.url]


def _size(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "installed size", [human_size(candidate.entry.installed_size)]


def _depends(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "depends on", candidate.entry.depends


def _provides(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "provides", candidate.entry.provides


def _rdepends(session: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    names = {candidate.entry.name, *(name_of(word) for word in candidate.entry.provides)}
    return "is required by", [
        f"{package.entry.name}-{package.entry.version}"
        for package in sorted(session.state.installed, key=lambda package: package.entry.name)
        if any(not word.startswith("!") and name_of(word) in names for word in package.entry.depends)
    ]


def _contents(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    assert candidate.installed is not None
    return "contains", [
        os.path.join(folder.path, file.name) for folder in candidate.installed.folders for file in folder.files
    ]


def _triggers(session: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "triggers", session.state.triggers.get(candidate.entry.checksum, ())


def _install_if(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "has auto-install rule", candidate.entry.install_if


def _rinstall_if(session: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "affects auto-installation of", [
        f"{package.entry.name}-{package.entry.version}"
        for package in session.state.installed
        if any(name_of(word) == candidate.entry.name for word in package.entry.install_if)
    ]


def _replaces(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    assert candidate.installed is not None
    return "replaces", candidate.installed.replaces


def _license(_: Session, candidate: Candidate) -> tuple[str, Iterable[str]]:
    return "license", [candidate.entry.license]


# In the order in which they are printed: the option, what it prints, and whether the package has to be installed.
_PARTS: tuple[tuple[str, Callable[[Session, Candidate], tuple[str, Iterable[str]]], bool], ...] = (
    ("description", _description, False),
    ("webpage", _webpage, False),
    ("size", _size, False),
    ("depends", _depends, False),
    ("provides", _provides, False),
    ("rdepends", _rdepends, True),
    ("contents", _contents, True),
    ("triggers", _triggers, True),
    ("install-if", _install_if, False),
    ("rinstall-if", _rinstall_if, True),
    ("replaces", _replaces, True),
    ("license", _license, False),
)
