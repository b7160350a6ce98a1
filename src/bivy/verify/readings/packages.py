"""Readings of the package database and of Python's distributions: whose each file is, and under which licence."""

from __future__ import annotations

import base64
import csv
import hashlib
import posixpath
import re
from email.parser import HeaderParser
from typing import TYPE_CHECKING

import msgspec

from bivy.apk.entry import Kind
from bivy.verify.paths import matches
from bivy.verify.readings.registry import CannotBeMadeError, Except, NoSettings, reading
from bivy.verify.subject import files_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bivy.apk.database import InstalledFile
    from bivy.apk.entry import Entry
    from bivy.rootfs.tree import Tree
    from bivy.verify.subject import Subject


class Owned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files are nobody's."""

    allowed: tuple[Except, ...] = ()


@reading("owned", Owned, needs="packages")
def owned(subject: Subject, settings: Owned) -> Iterator[str]:
    """Yield the files that belong to no package, or to several.

    What pip installed belongs to its distribution, bytecode to whom its source belongs, and what is in the folder in
    which the image's program starts is the application itself.
    """
    tree, packages = _tree(subject), subject.packages or ()
    owners: dict[str, list[str]] = {}
    for package in packages:
        for path, _ in files_of(package):
            owners.setdefault(_place(tree, path), []).append(package.entry.name)
    known = owners.keys() | {path for folder in _distributions(tree) for path, _ in _records(tree, folder)}
    own = _application(subject)
    for path, entry in tree.entries.items():
        if entry.kind is Kind.DIRECTORY:
            continue
        names = owners.get(path, [])
        if len(names) > 1:
            yield f"/{path} belongs to {' and '.join(names)}"
        elif path in known or _source(path) in known or (own and f"{path}/".startswith(own)):
            continue
        elif not any(_fits(path, entry, each) for each in settings.allowed):
            yield f"/{path} belongs to no package"


def _application(subject: Subject) -> str:
    """Return the folder in which the image's program starts, with a slash at its end; empty where that is the root."""
    folder = posixpath.normpath(subject.image.config.working_dir or "/").strip("/")
    return f"{folder}/" if folder else ""


def _source(path: str) -> str:
    """Return the path of what a file of bytecode was compiled from (PEP 3147); empty for any other file."""
    folder, name = posixpath.split(path)
    above, last = posixpath.split(folder)
    if last != "__pycache__" or not name.endswith(".pyc"):
        return ""
    return posixpath.join(above, f"{name.split('.')[0]}.py")


def _fits(path: str, entry: Entry, allowed: Except) -> bool:
    """Tell whether an exception is one for a file; ``-> TARGET`` after the pattern is for links to there alone."""
    pattern, arrow, target = allowed.path.partition(" -> ")
    return matches(path, pattern) and (not arrow or (entry.kind is Kind.SYMLINK and entry.target == target))


class Checksums(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files change after their package was installed."""

    allowed: tuple[Except, ...] = ()


@reading("checksums", Checksums, needs="packages")
def checksums(subject: Subject, settings: Checksums) -> Iterator[str]:
    """Yield the files of packages that are missing, or not as the package brought them."""
    tree = _tree(subject)
    for package in subject.packages or ():
        for path, file in files_of(package):
            if any(matches(path, each.path) for each in settings.allowed):
                continue
            entry = tree.entries.get(_place(tree, path))
            if entry is None:
                yield f"/{path} of {package.entry.name} is not there"
            elif fault := _fault(tree, entry, file):
                yield f"/{path} of {package.entry.name} {fault}"


def _fault(tree: Tree, entry: Entry, file: InstalledFile) -> str:
    """Return what about a file is not as its package has it; empty where nothing is."""
    if entry.kind is Kind.DIRECTORY:
        return "is a folder"
    if file.checksum and _checksum(tree, entry, file.checksum) != file.checksum:
        return f"{'leads elsewhere' if entry.kind is Kind.SYMLINK else 'has another content'} than in the package"
    if entry.kind is not Kind.SYMLINK:
        access = (file.access.mode, file.access.uid, file.access.gid)
        if (entry.mode, entry.uid, entry.gid) != access:
            return (
                f"has mode {entry.mode:04o} and owner {entry.uid}:{entry.gid}, not {access[0]:04o} and "
                f"{access[1]}:{access[2]}"
            )
    return ""


def _checksum(tree: Tree, entry: Entry, like: str) -> str:
    """Return a file's checksum as the database has it (apk-tools, blob.c): of a link, that of where it leads."""
    content = entry.content
    if entry.kind is Kind.SYMLINK:
        content = entry.target.encode("utf-8", "surrogateescape")
    elif entry.kind is Kind.HARDLINK:
        content = tree.entries[entry.target].content
    if like.startswith("Q2"):
        return "Q2" + base64.b64encode(hashlib.sha256(content).digest()).decode()
    return "Q1" + base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


@reading("records", NoSettings, needs="tree")
def records(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the files of Python distributions that are missing or other than their RECORD says (PEP 376, PEP 427)."""
    tree = _tree(subject)
    folders = _distributions(tree)
    if not folders:
        raise CannotBeMadeError("it has no Python distributions")
    for folder in folders:
        name = posixpath.basename(folder).removesuffix(".dist-info")
        for path, told in _records(tree, folder):
            entry = tree.resolve(path)
            # Bytecode is written by who installs, or not.
            if entry is None and not path.endswith(".pyc"):
                yield f"/{path} of {name} is not there"
            elif entry is not None and told and not _hashes_to(entry.content, told):
                yield f"/{path} of {name} is not as its RECORD says"


def _distributions(tree: Tree) -> list[str]:
    return [
        path for path, entry in tree.entries.items() if path.endswith(".dist-info") and entry.kind is Kind.DIRECTORY
    ]


def _records(tree: Tree, folder: str) -> list[tuple[str, str]]:
    """Return what a distribution's RECORD lists: paths from the root, and hashes where it has them."""
    text = (tree.read(f"{folder}/RECORD") or b"").decode("utf-8", "replace")
    above = posixpath.join("/", posixpath.dirname(folder))
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error:
        return []
    return [
        (posixpath.normpath(posixpath.join(above, row[0])).lstrip("/"), row[1] if len(row) > 1 else "")
        for row in rows
        if row and row[0]
    ]


def _hashes_to(content: bytes, told: str) -> bool:
    name, _, digest = told.partition("=")
    if name not in hashlib.algorithms_guaranteed or name.startswith("shake"):
        return True  # Nothing that could be compared.
    found = hashlib.new(name, content, usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(found).decode().rstrip("=") == digest.rstrip("=")


class Licences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words for licences that SPDX does not have, each with what it means."""

    words: tuple[Except, ...] = ()


@reading("licences", Licences, needs="tree")
def licences(subject: Subject, settings: Licences) -> Iterator[str]:
    """Yield the packages and distributions that name no licence by which its text could be found."""
    tree = _tree(subject)
    folders = _distributions(tree)
    if subject.packages is None and not folders:
        raise CannotBeMadeError(f"{subject.packages_fault}, and no Python distributions")
    for package in subject.packages or ():
        told = package.entry.license
        if not told:
            yield f"the package {package.entry.name} has no licence"
        elif wrong := _unknown(told, settings):
            yield f"the package {package.entry.name} has the licence {told!r}: {wrong}"
    for folder in folders:
        metadata = HeaderParser().parsestr((tree.read(f"{folder}/METADATA") or b"").decode("utf-8", "replace"))
        named = metadata.get("License-Expression") or metadata.get("License")
        classified = [word for word in metadata.get_all("Classifier", []) if word.startswith("License ::")]
        texts = [
            path
            for path in tree.entries
            if path.startswith(f"{folder}/") and re.search(r"(?i)licen[cs]e|copying", path)
        ]
        if not (named or classified or texts):
            yield f"the Python distribution {posixpath.basename(folder)} names no licence and has no text of one"


def _unknown(told: str, settings: Licences) -> str:
    """Return what is wrong with a licence expression; empty where all its words name a text (SPDX 2.3, annex D)."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    known = {each.path for each in settings.words}
    # Alpine writes "A B" for both, and its own words where SPDX has none.
    words = [word for word in re.split(r"[\s()]+", told) if word and word not in ("AND", "OR", "WITH")]
    try:
        canonicalize_license_expression(told if known.isdisjoint(words) else _standing_in(told, known))
    except InvalidLicenseExpression as fault:
        return str(fault)
    return ""


def _standing_in(told: str, known: set[str]) -> str:
    return re.sub(r"[^\s()]+", lambda word: "MIT" if word[0] in known else word[0], told)


def _tree(subject: Subject) -> Tree:
    assert subject.tree is not None
    return subject.tree


def _place(tree: Tree, path: str) -> str:
    """Return where a path leads when the folders in it may be links: newer releases have /lib in /usr."""
    if path in tree.entries:
        return path
    above = tree.resolve(posixpath.dirname(path))
    return posixpath.join(above.path, posixpath.basename(path)) if above else path
