"""How a root differs from what its database of packages says (``apk audit``), and which packages are not whole."""

from __future__ import annotations

import enum
import hashlib
import os
import stat
from dataclasses import dataclass

from bivy.apk.database import Access, InstalledFile, InstalledFolder, InstalledPackage
from bivy.apk.package import format_checksum
from bivy.apk.system.plan import combine, folder_of, joined
from bivy.apk.system.protected import FULL_AUDIT, Protection, has_protected_below, parse_rules, protection, read_rules
from bivy.apk.system.root import checksum_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.apk.system.protected import Rule
    from bivy.apk.system.root import Root, State

# Links that busybox makes for its commands, which no package owns.
_BUSYBOX = frozenset({"/bin/busybox", "/bin/bbsuid", "/bin/busybox-extras"})


class Mode(enum.Enum):
    """What is looked at.

    BACKUP: Protected paths: what a person changed or added, as for a backup.
    SYSTEM: What packages own outside protected paths.
    FULL: Everything outside protected paths.
    """

    BACKUP = "backup"
    SYSTEM = "system"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the database says.

    Attributes:
        reason: apk's letter: ``A`` a file that no package owns, ``D`` (``d`` where it is gone into) a folder that none
            has, ``U`` other content, ``x`` other extended attributes, ``M`` a file's and ``m`` a folder's owner or
            mode, ``X`` a file is missing, ``e`` it cannot be read.
        path: Where, relative to the root; a folder's ends with ``/``.
        package: The name of the package that owns the file; empty where none does.
        recorded: What the database says of owner and mode; ``None`` where it says nothing.
        recorded_checksum: Of the content, as the database has it; empty where it has none.
        found: Owner and mode that were found; ``None`` where nothing was.
        found_checksum: Of the content that was found; empty where that was not looked at.
    """

    reason: str
    path: str
    package: str = ""
    recorded: Access | None = None
    recorded_checksum: str = ""
    found: Access | None = None
    found_checksum: str = ""


@dataclass(slots=True)
class _Audit:
    """An audit that is being made."""

    root: Root
    mode: Mode
    rules: Sequence[Rule]
    recursive: bool
    permissions: bool
    details: bool
    busybox: bool
    files: dict[str, tuple[InstalledPackage, InstalledFile]]
    folders: dict[str, Access | None]
    gone_into: set[str]
    seen: set[str]


def _index(
    state: State,
) -> tuple[dict[str, tuple[InstalledPackage, InstalledFile]], dict[str, Access | None]]:
    """Return all files by path with the package that owns them, and all folders with those above them."""
    files: dict[str, tuple[InstalledPackage, InstalledFile]] = {}
    accesses: dict[str, list[Access]] = {}
    for record in state.installed:
        for folder in record.folders:
            accesses.setdefault(folder.path, []).append(folder.access)
            _index_folder(files, record, folder)
    folders = {path: combine(found) for path, found in accesses.items()}
    for path in list(folders):
        above = path
        while (above := folder_of(above)) and above not in folders:
            folders[above] = None
    return files, folders


def _index_folder(
    files: dict[str, tuple[InstalledPackage, InstalledFile]], record: InstalledPackage, folder: InstalledFolder
) -> None:
    for file in folder.files:
        files[joined(folder.path, file.name)] = record, file


def _found(status: os.stat_result) -> Access:
    return Access(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def _xattrs_at(root: Root, path: str) -> str:
    """Return the checksum of a file's extended attributes, as the database has it; empty where it has none."""
    folder, name = root.place(path)
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        try:
            pairs = [(key, os.getxattr(descriptor, key)) for key in sorted(os.listxattr(descriptor))]
        except OSError:
            return ""  # the file system has none
    finally:
        os.close(descriptor)
    words = [word for key, value in pairs for word in (os.fsencode(key), value)]
    if not words:
        return ""
    hashed = b"".join(len(word).to_bytes(4) + word for word in words)
    return format_checksum(hashlib.sha1(hashed, usedforsecurity=False).digest())


def _judge(audit: _Audit, path: str, status: os.stat_result) -> tuple[str, str]:
    """Return apk's letter for a file, empty where it is as it should be, and its checksum where that was computed."""
    owned = audit.files.get(path)
    link = stat.S_ISLNK(status.st_mode)
    if owned is None and not audit.details:
        return "A", ""
    record, file = owned or (None, InstalledFile(""))
    try:
        checksum = checksum_at(audit.root, path, file.checksum or "Q1")
        xattrs = "" if link or not stat.S_ISREG(status.st_mode) else _xattrs_at(audit.root, path)
    except OSError:
        return "e", ""
    if record is None:
        return "A", checksum
    access = _found(status)
    letter = ""
    if file.checksum != checksum and (file.checksum or link):
        letter = "U"
    elif not link and "x" not in record.broken and xattrs != file.access.xattrs:
        letter = "x"
    elif audit.permissions and (access.mode, access.uid, access.gid) != (
        file.access.mode,
        file.access.uid,
        file.access.gid,
    ):
        letter = "M"
    return letter, checksum


def _of_no_interest(audit: _Audit, path: str, status: os.stat_result) -> bool:
    """Tell whether a file is not what this audit is about."""
    kind, link = protection(audit.rules, path), stat.S_ISLNK(status.st_mode)
    owned = path in audit.files
    if audit.mode is Mode.SYSTEM:
        outside = not owned or kind.keeps
    elif audit.mode is Mode.FULL:
        outside = kind is not Protection.NONE and (kind is not Protection.LINKS or link)
    else:
        outside = not kind.keeps or (kind is Protection.LINKS and not link)
        outside = outside or (path.endswith(".apk-new") and (not owned or kind is Protection.ALL))
    if outside or owned or not (audit.busybox and link):
        return outside
    folder, name = audit.root.place(path)
    return os.readlink(name, dir_fd=folder) in _BUSYBOX


def _file(audit: _Audit, path: str, status: os.stat_result) -> Iterator[Difference]:
    audit.seen.add(path)
    if _of_no_interest(audit, path, status):
        return
    letter, checksum = _judge(audit, path, status)
    if audit.mode is Mode.BACKUP and protection(audit.rules, path) is Protection.ALL:
        letter = "A"
    if letter:
        record, file = audit.files.get(path, (None, None))
        yield Difference(
            letter,
            path,
            record.entry.name if record else "",
            file.access if file else None,
            file.checksum if file else "",
            _found(status),
            checksum,
        )


def _judge_folder(audit: _Audit, path: str, status: os.stat_result) -> str:
    audit.gone_into.add(path)
    if path not in audit.folders:
        return "d" if audit.recursive else "D"
    wanted, found = audit.folders[path], _found(status)
    if not audit.permissions or wanted is None or not (wanted.mode or wanted.uid or wanted.gid):
        return ""
    return "" if (wanted.mode, wanted.uid, wanted.gid) == (found.mode, found.uid, found.gid) else "m"


def _folder(audit: _Audit, path: str, status: os.stat_result) -> Iterator[Difference]:
    kind = protection(audit.rules, path)
    letter, deeper = "", True
    if audit.mode is Mode.BACKUP:
        deeper = has_protected_below(audit.rules, path)
        letter = _judge_folder(audit, path, status) if kind.keeps else ""
    elif audit.mode is Mode.SYSTEM:
        if path not in audit.folders:
            return
        letter = _judge_folder(audit, path, status)
    elif kind is Protection.NONE:
        letter = _judge_folder(audit, path, status)
    if letter:
        yield Difference(letter, f"{path}/", recorded=audit.folders.get(path), found=_found(status))
    if letter != "D" and deeper:
        yield from _walk(audit, path)


def _walk(audit: _Audit, path: str) -> Iterator[Difference]:
    try:
        names = audit.root.names(path)
    except OSError:
        yield Difference("e", f"{path}/")
        return
    for name in names:
        below = joined(path, name)
        try:
            status = audit.root.status(below)
        except OSError:
            status = None
        if status is None:
            audit.seen.add(below)
            record, _ = audit.files.get(below, (None, None))
            yield Difference("e", below, record.entry.name if record else "")
        elif stat.S_ISDIR(status.st_mode):
            yield from _folder(audit, below, status)
        else:
            yield from _file(audit, below, status)


def _missing(audit: _Audit) -> Iterator[Difference]:
    for path, (record, file) in audit.files.items():
        if path in audit.seen or folder_of(path) not in audit.gone_into:
            continue
        if protection(audit.rules, path) is not Protection.IGNORED:
            yield Difference("X", path, record.entry.name, file.access, file.checksum)


def audit(
    root: Root,
    state: State,
    mode: Mode = Mode.BACKUP,
    *,
    folders: Sequence[str] = ("",),
    rules: Sequence[Rule] | None = None,
    recursive: bool = False,
    check_permissions: bool = False,
    details: bool = False,
    ignore_busybox_links: bool = False,
) -> Iterator[Difference]:
    """Yield what is not as the database says, by path (apk-tools 2.14, app_audit.c).

    Args:
        root: The root.
        state: What is installed in it.
        mode: What is looked at.
        folders: Where to look, relative to the root.
        rules: The protected paths; ``None`` takes the root's own, and for FULL those that apk has for it.
        recursive: Whether folders that no package has are gone into.
        check_permissions: Whether owners and modes count.
        details: Whether the content of files that no package owns is looked at too, for their checksum.
        ignore_busybox_links: Whether the links that busybox makes for its commands are passed over.
    """
    if rules is None:
        rules = parse_rules(FULL_AUDIT) if mode is Mode.FULL else read_rules(root)
    files, known = _index(state)
    going = _Audit(
        root, mode, rules, recursive, check_permissions, details, ignore_busybox_links, files, known, set(), set()
    )
    for folder in folders:
        path = folder.strip("/")
        going.gone_into.add(path)
        yield from _walk(going, path)
    if mode is not Mode.BACKUP:
        yield from _missing(going)


def broken(state: State, *, xattrs: bool = False) -> tuple[str, ...]:
    """Return the names of packages that the database says are not whole, which ``apk fix`` installs again.

    Args:
        state: What is installed.
        xattrs: Whether packages count that could not be given their extended attributes.
    """
    letters = {"f", "s", "x"} if xattrs else {"f", "s"}
    return tuple(record.entry.name for record in state.installed if letters & set(record.broken))


def damaged(root: Root, state: State) -> Mapping[str, tuple[Difference, ...]]:
    """Return what is missing, unreadable or changed outside protected paths, by the name of the package it is of."""
    found: dict[str, list[Difference]] = {}
    for difference in audit(root, state, Mode.SYSTEM, check_permissions=True):
        if difference.package:
            found.setdefault(difference.package, []).append(difference)
    return {name: tuple(differences) for name, differences in found.items()}
