"""What apk keeps of what is installed: ``lib/apk/db`` and the world in ``etc/apk``.

apk-tools 2.14 and 3.0 both read and write ``lib/apk/db`` (where ``/lib`` is a link to ``usr/lib``, through it); the
format is that of apk-tools 2.14, database.c, which 3.0 reads and continues.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bivy.apk import tar
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.index import (
    IndexEntry,
    format_index_entry,
    index_entry,
    paragraphs,
    parse_index_entry,
    split_fields,
)
from bivy.apk.info import parse_number
from bivy.apk.package import SCRIPTS, format_checksum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from typing import Any

    from bivy.apk.package import Package

_ACL = re.compile(r"(\d{1,10}):(\d{1,10}):([0-7]{1,4})(?::(\S+))?")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what with a file or folder.

    Attributes:
        mode: Permission bits.
        uid: Number of the user that owns it.
        gid: Number of the group that owns it.
        xattrs: Checksum of its extended attributes; empty where it has none.
    """

    mode: int
    uid: int = 0
    gid: int = 0
    xattrs: str = ""


_FOLDER_LINE = re.compile(r"^F:(.*)$", re.MULTILINE)
_FOLDER, _FILE = Access(0o755), Access(0o644)


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file or link that a package owns.

    Attributes:
        name: Its name in its folder.
        access: Who may do what with it.
        checksum: ``Q1`` and SHA-1 in base64: of its content, of a symlink's target; empty where that is not known.
    """

    name: str
    access: Access = _FILE
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class InstalledFolder:
    """A folder that a package has, with what it has in it.

    Attributes:
        path: Where it is, relative to the root; empty for the root.
        access: Who may do what with it.
        files: The package's files and links in it, in order.
    """

    path: str
    access: Access = _FOLDER
    files: tuple[InstalledFile, ...] = ()


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """One package in the database.

    Attributes:
        entry: What an index says of it.
        replaces: Packages whose files it may overwrite.
        replaces_priority: Whose file stays, the highest; 0 where it does not say.
        repository_tag: The tag of the repository that it is held to; empty where there is none.
        broken: What went wrong when it was installed, as apk's letters.
        folders: Its folders, in order.
    """

    entry: IndexEntry
    replaces: tuple[str, ...] = ()
    replaces_priority: int = 0
    repository_tag: str = ""
    broken: str = ""
    folders: Sequence[InstalledFolder] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """All that the database has of one package.

    Attributes:
        installed: The package.
        scripts: What runs when it changes or goes, by apk's names (``post-upgrade``, ``trigger``).
        triggers: Folders, with wildcards, at whose change its script ``trigger`` runs.
    """

    installed: InstalledPackage
    scripts: Mapping[str, bytes]
    triggers: tuple[str, ...] = ()


def _xattrs_checksum(entry: Entry) -> str:
    """Return the checksum of extended attributes (apk-tools, io.c: each name and value after its length)."""
    if not entry.xattrs:
        return ""
    words = (word for name, value in entry.xattrs for word in (name.encode(), value))
    hashed = b"".join(len(word).to_bytes(4) + word for word in words)
    return format_checksum(hashlib.sha1(hashed, usedforsecurity=False).digest())


def _access(entry: Entry) -> Access:
    return Access(entry.mode, entry.uid, entry.gid, _xattrs_checksum(entry))


def _installed_folders(entries: Sequence[Entry]) -> tuple[InstalledFolder, ...]:
    by_path = {entry.path: entry for entry in entries}
    access: dict[str, Access] = {}
    files: dict[str, list[InstalledFile]] = {}
    for entry in entries:
        if entry.kind is Kind.DIRECTORY:
            access[entry.path] = _access(entry)
            files.setdefault(entry.path, [])
            continue
        folder, _, name = entry.path.rpartition("/")
        checksum = tar.checksum_of(by_path[entry.target] if entry.kind is Kind.HARDLINK else entry)
        written = format_checksum(checksum) if checksum else ""
        files.setdefault(folder, []).append(InstalledFile(name, _access(entry), written))
    return tuple(InstalledFolder(path, access.get(path, _FOLDER), tuple(found)) for path, found in files.items())


def installed_package(package: Package) -> InstalledPackage:
    """Return what the database says of a package once all of its entries are installed."""
    return InstalledPackage(
        entry=index_entry(package),
        replaces=package.info.replaces,
        replaces_priority=package.info.replaces_priority or 0,
        folders=_installed_folders(package.entries),
    )


def recorded(package: Package) -> Recorded:
    """Return all that the database has of a package once all of its entries are installed."""
    return Recorded(installed_package(package), package.scripts, package.info.triggers)


def _format_access(letter: str, access: Access) -> str:
    end = f":{access.xattrs}" if access.xattrs else ""
    return f"{letter}:{access.uid}:{access.gid}:{access.mode:o}{end}\n"


def _format_folder(folder: InstalledFolder) -> str:
    pieces = [f"F:{folder.path}\n"]
    if folder.access != _FOLDER:
        pieces.append(_format_access("M", folder.access))
    for file in folder.files:
        pieces.append(f"R:{file.name}\n")
        if file.access != _FILE:
            pieces.append(_format_access("a", file.access))
        if file.checksum:
            pieces.append(f"Z:{file.checksum}\n")
    return "".join(pieces)


def _format_package(package: InstalledPackage) -> str:
    marks = {
        "r": " ".join(package.replaces),
        "q": package.replaces_priority,
        "s": package.repository_tag,
        "f": package.broken,
    }
    head = format_index_entry(package.entry) + "".join(f"{letter}:{text}\n" for letter, text in marks.items() if text)
    folders = package.folders
    body = folders.text if isinstance(folders, RecordedFolders) else "".join(map(_format_folder, folders))
    return f"{head}{body}\n"


def format_installed(packages: Iterable[InstalledPackage]) -> str:
    """Return the text of ``lib/apk/db/installed``, by name as apk sorts them."""
    ordered = sorted(packages, key=lambda package: (package.entry.name.lower(), package.entry.name))
    return "".join(_format_package(package) for package in ordered)


def _parse_access(text: str, where: str) -> Access:
    match = _ACL.fullmatch(text)
    if match is None:
        raise ApkError(f"{where}: {text!r} is not user, group and mode")
    uid, gid, mode, xattrs = match.groups()
    return Access(int(mode, 8), int(uid), int(gid), xattrs or "")


def _parse_file(found: Sequence[tuple[str, str]], where: str) -> InstalledFile:
    marks = dict(found[1:])
    if len(marks) != len(found) - 1 or set(marks) - {"a", "Z"}:
        raise ApkError(f"{where}: {found[0][1]} has fields that a file does not have")
    access = _parse_access(marks["a"], where) if "a" in marks else _FILE
    return InstalledFile(found[0][1], access, marks.get("Z", ""))


def _split_at(letter: str, found: Sequence[tuple[str, str]]) -> list[Sequence[tuple[str, str]]]:
    """Cut fields into parts that begin with a letter; the first part is what comes before the first of these."""
    starts = [index for index, (mark, _) in enumerate(found) if mark == letter]
    return [found[start:end] for start, end in zip([0, *starts], [*starts, len(found)], strict=True)]


def _parse_folder(found: Sequence[tuple[str, str]], where: str) -> InstalledFolder:
    head, *files = _split_at("R", found)
    if [letter for letter, _ in head[1:]] not in ([], ["M"]):
        raise ApkError(f"{where}: {head[0][1]} has fields that a folder does not have")
    access = _parse_access(head[1][1], where) if len(head) == 2 else _FOLDER
    return InstalledFolder(head[0][1], access, tuple(_parse_file(file, where) for file in files))


def _parse_package(lines: Sequence[str], where: str) -> InstalledPackage:
    head, *folders = _split_at("F", split_fields(lines, where))
    marks = [(letter, text) for letter, text in head if letter in "rqsf"]
    of_index = [(letter, text) for letter, text in head if letter not in "rqsf"]
    by_letter = dict(marks)
    if len(by_letter) != len(marks):
        raise ApkError(f"{where}: a field is there twice")
    return InstalledPackage(
        entry=parse_index_entry(of_index, where),
        replaces=tuple(by_letter.get("r", "").split()),
        replaces_priority=parse_number(by_letter.get("q", "0"), f"{where}: the field q"),
        repository_tag=by_letter.get("s", ""),
        broken=by_letter.get("f", ""),
        folders=tuple(_parse_folder(folder, where) for folder in folders),
    )


def parse_installed(text: str, where: str = "lib/apk/db/installed") -> tuple[InstalledPackage, ...]:
    """Read the text of ``lib/apk/db/installed``, in its order.

    Raises:
        ApkError: A package in it is not described as it has to be; the message names the line it begins at.
    """
    return tuple(_parse_package(lines, f"{where}, line {number}") for number, lines in paragraphs(text))


class RecordedFolders(Sequence[InstalledFolder]):
    """Folders as the database has them, read only when they are asked for, and written as they were.

    Most of a database is files of packages that do not change.

    Attributes:
        text: The lines of the database, each with its end.
        where: What to call the place in messages.
    """

    __slots__ = ("_read", "text", "where")

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        self._read: tuple[InstalledFolder, ...] | None = None

    def paths(self) -> list[str]:
        """Return where the folders are, in order."""
        return _FOLDER_LINE.findall(self.text)

    def among(self, paths: Container[str]) -> Iterator[InstalledFolder]:
        """Yield the folders that are at one of some paths, in order, without reading the others."""
        for part in f"\n{self.text}".split("\nF:")[1:]:
            path, _, rest = part.partition("\n")
            if path in paths:
                lines = [f"F:{path}", *rest.removesuffix("\n").split("\n")] if rest else [f"F:{path}"]
                yield _parse_folder(split_fields(lines, self.where), self.where)

    def _all(self) -> tuple[InstalledFolder, ...]:
        if self._read is None:
            folders = _split_at("F", split_fields(self.text.removesuffix("\n").split("\n"), self.where))[1:]
            self._read = tuple(_parse_folder(folder, self.where) for folder in folders)
        return self._read

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a number or a slice; `overload` is typing's
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RecordedFolders) and other.text == self.text:
            return True
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all())


def folder_paths(package: InstalledPackage) -> list[str]:
    """Return where a package's folders are, in order."""
    folders = package.folders
    return folders.paths() if isinstance(folders, RecordedFolders) else [folder.path for folder in folders]


def folders_among(package: InstalledPackage, paths: Container[str]) -> list[InstalledFolder]:
    """Return the folders of a package that are at one of some paths, in order."""
    folders = package.folders
    if isinstance(folders, RecordedFolders):
        return list(folders.among(paths))
    return [folder for folder in folders if folder.path in paths]


def _read_package(paragraph: str, where: str) -> InstalledPackage:
    head, mark, rest = f"{paragraph}\n".partition("\nF:")
    described = _parse_package(head.removesuffix("\n").split("\n"), where)
    return replace(described, folders=RecordedFolders(f"F:{rest}", where)) if mark else described


def read_installed(text: str, where: str = "lib/apk/db/installed") -> tuple[InstalledPackage, ...]:
    """Read the text of ``lib/apk/db/installed`` as `parse_installed`, but folders and files when they are asked for.

    Raises:
        ApkError: A package in it is not described as it has to be. Where that is so of its files, this comes when
            they are asked for.
    """
    paragraphs_of = (part.strip("\n") for part in text.split("\n\n"))
    return tuple(_read_package(part, f"{where}, {part[:60]!r}") for part in paragraphs_of if part)


def _format_scripts(packages: Sequence[Recorded]) -> bytes:
    entries = [
        Entry(
            f"{entry.name}-{entry.version}.{entry.checksum}.{name}",
            Kind.FILE,
            0o755,
            mtime=entry.build_date,
            content=scripts[name],
        )
        for entry, scripts in ((package.installed.entry, package.scripts) for package in packages)
        for name in SCRIPTS
        if name in scripts
    ]
    return tar.write_members(entries) + tar.end_of_archive()


def _as_indexes_have_it(checksum: str) -> str:
    """Return a checksum with base64; apk-tools 3 names scripts with hexadecimal."""
    if checksum.startswith("X1"):
        with contextlib.suppress(ValueError):
            return format_checksum(bytes.fromhex(checksum[2:]))
    return checksum


def parse_scripts(archive: bytes, where: str = "lib/apk/db/scripts.tar") -> dict[str, dict[str, bytes]]:
    """Read the archive of scripts: by checksum of the package, then by apk's names.

    Raises:
        ApkError: It is damaged, or a name in it is not that of a script.
    """
    found: dict[str, dict[str, bytes]] = {}
    for member in tar.read_members(archive, where):
        title, _, name = member.entry.path.rpartition(".")
        _, mark, checksum = title.rpartition(".")
        if not mark or member.entry.kind is not Kind.FILE:
            raise ApkError(f"{where}: {member.entry.path} is not the script of a package")
        # A kind of script that this does not know is of a newer apk, and nothing that would be run.
        if name in SCRIPTS:
            found.setdefault(_as_indexes_have_it(checksum), {})[name] = member.entry.content
    return found


def _format_triggers(packages: Sequence[Recorded]) -> str:
    watching = (package for package in packages if package.triggers)
    return "".join(f"{package.installed.entry.checksum} {' '.join(package.triggers)}\n" for package in watching)


def parse_triggers(text: str) -> dict[str, tuple[str, ...]]:
    """Read the list of triggers: by checksum of the package, the folders that it watches."""
    lines = (line.split() for line in text.splitlines())
    return {_as_indexes_have_it(checksum): tuple(folders) for checksum, *folders in filter(None, lines)}


def _format_world(world: Sequence[str]) -> str:
    for word in world:
        if not word or any(letter.isspace() for letter in word):
            raise ApkError(f"{word!r} in the world is not the name of a package")
    return "".join(f"{word}\n" for word in sorted(set(world)))


def database_entries(packages: Sequence[Package | Recorded], world: Sequence[str], arch: str) -> tuple[Entry, ...]:
    """Return the files that make apk take packages for installed, with the folders ``etc/apk`` and ``lib/apk``.

    ``etc`` and ``lib`` themselves come from a package; ``lib`` may be a link. Where two packages have the same file,
    leave it out of the entries of the one that loses it first. All is as old as the newest package.

    Args:
        packages: What is installed, in the order of installation; what was read from a database, as that has it.
        world: What was asked for: names, with a version where one was given (``python3~3.14``).
        arch: Alpine's name of the architecture.

    Raises:
        ApkError: A word of the world is not one.
    """
    records = [package if isinstance(package, Recorded) else recorded(package) for package in packages]
    mtime = max((package.installed.entry.build_date for package in records), default=0)
    installed = format_installed(package.installed for package in records)
    folders = [Entry(path, Kind.DIRECTORY, 0o755, mtime=mtime) for path in ("etc/apk", "lib/apk", "lib/apk/db")]
    contents = {
        "etc/apk/arch": f"{arch}\n".encode(),
        "etc/apk/world": _format_world(world).encode(),
        "lib/apk/db/installed": installed.encode(),
        "lib/apk/db/scripts.tar": _format_scripts(records),
        "lib/apk/db/triggers": _format_triggers(records).encode(),
    }
    files = [Entry(path, Kind.FILE, 0o644, mtime=mtime, content=content) for path, content in contents.items()]
    lock = Entry("lib/apk/db/lock", Kind.FILE, 0o600, mtime=mtime)
    return tuple(sorted([*folders, *files, lock], key=lambda entry: entry.path))
