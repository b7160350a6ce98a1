"""``apk add``: add packages to the world and install them."""

from __future__ import annotations

from bivy.apk.cli.commit import commit, opened
from bivy.apk.dependency import Dependency, parse_dependency
from bivy.apk.errors import ApkError
from bivy.apk.solve.requests import to_add

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.index import IndexEntry

OPTIONS: tuple[Option, ...] = (
    ("initdb", "", "", "Make an empty database first."),
    ("latest", "l", "", "Insist on the newest versions."),
    ("no-chown", "", "", "Leave all files the caller's."),
    ("upgrade", "u", "", "Take the newest versions of the packages and of what they need."),
    ("virtual", "t", "NAME", "Add one package of this name that depends on the others."),
)


def main(session: Session) -> int:
    """Add what the command line names."""
    given = session.given
    with opened(session, initialise=given.has("initdb")) as world:
        wanted = [_wanted(session, word) for word in given.words if word]
        if given.has("virtual"):
            wanted = [_virtual(session, given.value("virtual"), wanted)]
        return commit(session, to_add(world, wanted, upgrade=given.has("upgrade"), latest=given.has("latest")))


def _wanted(session: Session, word: str) -> Dependency:
    """Read a word: a package's file, or what is asked for."""
    return _file(session, word) if ".apk" in word else parse_dependency(word)


def _file(session: Session, path: str) -> Dependency:
    """Take a package's file into what there is; it is held to by its checksum."""
    from pathlib import Path

    from bivy.apk.index import index_entry
    from bivy.apk.keys import load_keys
    from bivy.apk.package import read_info
    from bivy.apk.solve.universe import LocalPackage

    keys = load_keys(session.keys_folder, session.relay)
    try:
        control = read_info(Path(path), keys)
    except ApkError as fault:
        if not session.given.has("allow-untrusted"):
            raise ApkError(str(fault), hint=fault.hint or "--allow-untrusted takes it all the same") from None
        control = read_info(Path(path))
        session.warn(f"{fault}: taken all the same (--allow-untrusted)")
    entry = index_entry(control)
    session.local.append(LocalPackage(entry, path))
    return Dependency(entry.name, "><", entry.checksum)


def _virtual(session: Session, text: str, depends: list[Dependency]) -> Dependency:
    """Make a package that only depends on others; its version is the time unless the name has one."""
    import time

    from bivy.apk.solve.universe import LocalPackage

    asked = parse_dependency(text)
    if asked.conflict or asked.tag or asked.operator not in ("", "="):
        raise ApkError(f"{text}: bad package specifier", hint="a name, or a name and a version: .deps, .deps=1")
    if any(need.tag for need in depends):
        raise ApkError("what a virtual package depends on cannot be held to a tag", hint="add it by itself")
    if not depends:
        session.warn("creating empty virtual package")
    version = asked.version or time.strftime("%Y%m%d.%H%M%S", time.gmtime())
    session.local.append(LocalPackage(_described(asked.name, version, depends)))
    return Dependency(asked.name, "=", version)


def _described(name: str, version: str, depends: list[Dependency]) -> IndexEntry:
    import hashlib

    from bivy.apk.index import IndexEntry
    from bivy.apk.package import format_checksum

    words = tuple(str(need) for need in depends)
    text = "\0".join((name, version, *words))
    return IndexEntry(
        format_checksum(hashlib.sha1(text.encode(), usedforsecurity=False).digest()), name, version, "noarch",
        description="virtual meta package", depends=words,
    )  # fmt: skip
