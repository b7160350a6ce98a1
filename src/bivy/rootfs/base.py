"""A minirootfs archive of Alpine's, read: the tree that an image starts from, and what apk knows of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from bivy.apk import tar
from bivy.apk.database import Recorded, parse_installed, parse_scripts, parse_triggers
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.errors import BivyError
from bivy.rootfs.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

# A minirootfs has 3 MB, 8 MB unpacked.
MOST_BYTES = 1 << 29

DATABASE = ("etc/apk/arch", "etc/apk/world", "lib/apk/db/installed", "lib/apk/db/lock", "lib/apk/db/scripts.tar",
            "lib/apk/db/triggers")  # fmt: skip
"""The files of apk's that are written anew for an image (`bivy.apk.database.database_entries`)."""


@dataclass(frozen=True, slots=True)
class BaseRootfs:
    """A root filesystem that an image starts from.

    Attributes:
        tree: What is in it, without the files of `DATABASE`.
        packages: The packages in it, as its database has them, in its order.
        world: What was asked for.
        arch: Alpine's name of the architecture.
        release: The release of Alpine's that it is of, such as ``3.20.3``; empty where it does not say.
    """

    tree: Tree
    packages: tuple[Recorded, ...]
    world: tuple[str, ...]
    arch: str
    release: str


def read_base_rootfs(path: Path) -> BaseRootfs:
    """Read a root filesystem from its archive: tar, as it is or in gzip.

    Raises:
        BivyError: It cannot be read, is damaged, not of Alpine's, or has something that has no place in a tree: an
            absolute path or one with ``..``, a device, something below a link.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as fault:
        raise BivyError(f"cannot read the base root filesystem {path}: {fault.strerror}") from None
    if len(content) > MOST_BYTES:
        raise BivyError(f"{path} is larger than {MOST_BYTES >> 20} MB", hint=_HINT)
    try:
        members = tar.read_members(_unpacked(content, str(path)), str(path))
        return base_of(Tree.of(_entries(members, str(path))), str(path))
    except ApkError as fault:
        raise BivyError(str(fault), hint=fault.hint or _HINT) from None
    except BivyError as fault:
        raise BivyError(
            str(fault) if str(path) in str(fault) else f"{path}: {fault}", hint=fault.hint or _HINT
        ) from None


_HINT = "it has to be an archive such as alpine-minirootfs-3.22.1-x86_64.tar.gz, from Alpine's downloads"


def _unpacked(content: bytes, where: str) -> bytes:
    """Return an archive out of its gzip streams, of which there may be several."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    pieces, size = [], 0
    while content:
        stream = zlib.decompressobj(31)
        try:
            piece = stream.decompress(content, MOST_BYTES - size + 1)
        except zlib.error as fault:
            raise BivyError(f"{where} is damaged: {fault}", hint="fetch it again") from None
        size += len(piece)
        if size > MOST_BYTES:
            raise BivyError(f"{where} unpacks to more than {MOST_BYTES >> 20} MB")
        if not stream.eof:
            raise BivyError(f"{where} is truncated", hint="fetch it again")
        pieces.append(piece)
        # What follows the last stream in zeros is padding (gzip(1)).
        content = stream.unused_data if stream.unused_data.strip(b"\0") else b""
    return b"".join(pieces)


def _entries(members: tuple[tar.Member, ...], where: str) -> list[Entry]:
    found: dict[str, Entry] = {}
    for member in members:
        entry = member.entry
        path = _inside(entry.path, where)
        if not path:
            continue
        if path in found:
            raise BivyError(f"{where}: /{path} is there twice")
        target = _inside(entry.target, where) if entry.kind is Kind.HARDLINK else entry.target
        # The numbers count: names would be those of the machine that packed it.
        found[path] = replace(entry, path=path, target=target, user="", group="")
    return list(found.values())


def _inside(name: str, where: str) -> str:
    """Return a member's name as a tree has it: without ``./``; empty for the root itself."""
    if name.startswith("/") or ".." in name.split("/"):
        raise BivyError(f"{where}: {name!r} is not a path inside a tree")
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def base_of(tree: Tree, where: str) -> BaseRootfs:
    """Return what a tree is as a base: that of an image, or of an archive.

    Args:
        tree: The tree.
        where: What it is called in messages.

    Raises:
        BivyError: It is none of Alpine's, or what apk knows of it is damaged.
    """
    installed = _text(tree, "lib/apk/db/installed", where)
    if installed is None:
        raise BivyError(f"{where} is not a root filesystem of Alpine's: it has no /lib/apk/db/installed")
    scripts = parse_scripts(tree.read("lib/apk/db/scripts.tar") or b"", f"{where}, lib/apk/db/scripts.tar")
    triggers = parse_triggers(_text(tree, "lib/apk/db/triggers", where) or "")
    packages = tuple(
        Recorded(package, scripts.get(package.entry.checksum, {}), triggers.get(package.entry.checksum, ()))
        for package in parse_installed(installed, f"{where}, lib/apk/db/installed")
    )
    arches = {package.installed.entry.arch for package in packages} - {"", "noarch"}
    arch = (_text(tree, "etc/apk/arch", where) or "").strip() or next(iter(sorted(arches)), "")
    if not arch:
        raise BivyError(f"{where} does not say what architecture it is for")
    anew = {entry.path for entry in map(tree.resolve, DATABASE) if entry is not None}
    return BaseRootfs(
        tree=Tree(MappingProxyType({path: entry for path, entry in tree.entries.items() if path not in anew})),
        packages=packages,
        world=tuple((_text(tree, "etc/apk/world", where) or "").split()),
        arch=arch,
        release=(_text(tree, "etc/alpine-release", where) or "").strip(),
    )


def _text(tree: Tree, path: str, where: str) -> str | None:
    content = tree.read(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        raise BivyError(f"{where}: /{path} is not UTF-8") from None
