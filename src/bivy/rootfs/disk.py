"""A tree is written into a folder, never outside it, and what programs changed there is read back as entries.

Everything there belongs to whoever runs this. Owners are data: those of what was there stay, what is new is root's,
unless a program gave it to somebody (`bivy.rootfs.kernel`).
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError
from bivy.rootfs.kernel import Chown, Identity, identify
from bivy.rootfs.tree import Tree, parents_of, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# No install script of Alpine's comes near; one that does is meant to fill the memory.
MOST_BYTES = 1 << 30

MOUNTED = ("proc", "dev", "tmp")
"""Folders of a tree that a sandbox lays its own over."""


def memory_folder(size: int, memory: Path = Path("/dev/shm")) -> Path | None:  # noqa: S108 - checked below
    """Return a folder of this user's in memory, where there is room for a tree; ``None`` where there is none.

    Files of a tree are made and gone again within a second, by the thousand: in memory that takes a tenth of the time.
    And there a folder's files are listed in the same order on every machine, should a script rely on it.

    Args:
        size: The bytes of the tree.
        memory: Where the machine keeps files in memory (shm_overview(7)).
    """
    folder = memory / f"bivy-{os.getuid()}"
    try:
        about = os.statvfs(memory)
        # What scripts write has to have room beside the tree.
        if about.f_flag & (os.ST_NOEXEC | os.ST_RDONLY) or about.f_bavail * about.f_frsize < 2 * size + (1 << 27):
            return None
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    # Anybody may make a folder there, and call it as we call ours.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != 0o700:
        return None
    return folder


@dataclass(frozen=True, slots=True)
class Difference:
    """What programs made of a tree.

    Attributes:
        entries: What is new or was changed.
        removed: The paths of what is gone, or something else now.
    """

    entries: tuple[Entry, ...] = ()
    removed: frozenset[str] = frozenset()

    def apply(self, tree: Tree) -> Tree:
        """Return a tree without what is gone; what is new stands in `entries`."""
        return Tree.of(without(tree, self.removed.__contains__).values()) if self.removed else tree


@dataclass(frozen=True, slots=True)
class _File:
    """What a file looked like when it had been written; where nothing differs, nothing was changed."""

    inode: int
    size: int
    mode: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> _File:
        return cls(status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(slots=True)
class DiskTree:
    """A folder that a tree is written to.

    Attributes:
        root: The folder, which is empty at first.
        epoch: The time that all files in it get, in seconds since 1970.
        entries: What was written, by path.
    """

    root: Path
    epoch: int
    entries: dict[str, Entry] = field(default_factory=dict)
    _files: dict[str, _File] = field(default_factory=dict)
    _inodes: dict[int, str] = field(default_factory=dict)
    _owners: dict[Identity, tuple[int | None, int | None]] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)

    def write(self, entries: Iterable[Entry]) -> None:
        """Write entries. A program may have changed what is there: links are never followed, files are replaced.

        A configuration file (in ``/etc``) that a program made stays; what was to be written is put beside it as
        ``.apk-new``, as apk does.

        Raises:
            BivyError: Something is in the way: a folder where a file is to be, a link where a folder is to be.
        """
        safe = {""}
        links = []
        for entry in entries:
            self._check_parents(entry.path, safe)
            if entry.kind is Kind.HARDLINK:
                links.append(entry)
                continue
            with self._telling(entry):
                self._write_one(entry)
            if entry.kind is Kind.DIRECTORY:
                safe.add(entry.path)
        for entry in links:
            with self._telling(entry):
                self._link(entry)
        for folder in safe - {""}:
            os.utime(self.root / folder, (self.epoch, self.epoch))

    @contextlib.contextmanager
    def _telling(self, entry: Entry) -> Iterator[None]:
        try:
            yield
        except (OSError, UnicodeEncodeError, OverflowError) as fault:
            reason = getattr(fault, "strerror", None) or fault
            raise BivyError(f"/{entry.path} cannot be written below {self.root}: {reason}") from None

    def _check_parents(self, path: str, safe: set[str]) -> None:
        """Make sure that a path leads through folders only; nothing runs meanwhile that could change them."""
        if path.rpartition("/")[0] in safe:
            return
        for parent in reversed(parents_of(path)):
            try:
                mode = (self.root / parent).lstat().st_mode
            except OSError as fault:
                raise BivyError(f"/{path} cannot be written: /{parent}: {fault.strerror}") from None
            if not stat.S_ISDIR(mode):
                raise BivyError(f"/{path} cannot be written: /{parent} is no folder any more", hint=_BY_SCRIPT)
            safe.add(parent)

    def _write_one(self, entry: Entry) -> None:
        place = os.path.join(self.root, entry.path)  # noqa: PTH118 - a Path takes longer, thousands of times
        if entry.kind is Kind.DIRECTORY:
            self._make_folder(place, entry)
            return
        known = entry.path in self.entries
        self.entries[entry.path] = entry
        if entry.kind is Kind.SYMLINK:
            self._clear(place, entry)
            os.symlink(entry.target, place)  # noqa: PTH211 - as above
            return
        try:
            self._files[entry.path] = self._create(place, entry)
        except FileExistsError:
            if not known and entry.path.startswith("etc/"):
                self._files[entry.path] = _File(0, 0, 0, 0, 0)
                self._beside(place, entry)
            else:
                self._clear(place, entry)
                self._files[entry.path] = self._create(place, entry)

    def _make_folder(self, place: str, entry: Entry) -> None:
        self.entries.setdefault(entry.path, entry)
        try:
            os.mkdir(place)  # noqa: PTH102 - as above
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                raise BivyError(f"/{entry.path} is to be a folder, and is something else", hint=_BY_SCRIPT) from None
        else:
            os.chmod(place, _folder_mode(entry))  # noqa: PTH101 - as above

    def _create(self, place: str, entry: Entry) -> _File:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            left = memoryview(entry.content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fchmod(descriptor, entry.mode)
            os.utime(descriptor, (self.epoch, self.epoch))
            return _File.of(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def _beside(self, place: str, entry: Entry) -> None:
        if os.path.isfile(place) and not os.path.islink(place) and Path(place).read_bytes() == entry.content:  # noqa: PTH113, PTH114
            return
        beside = replace(entry, path=f"{entry.path}.apk-new")
        self._clear(f"{place}.apk-new", beside)
        self._create(f"{place}.apk-new", beside)

    def _clear(self, place: str, entry: Entry) -> None:
        try:
            os.unlink(place)  # noqa: PTH108 - as above
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            raise BivyError(f"/{entry.path} is a folder already", hint=_BY_SCRIPT) from None

    def _link(self, entry: Entry) -> None:
        place = os.path.join(self.root, entry.path)  # noqa: PTH118 - as above
        self._clear(place, entry)
        self._check_parents(entry.target, {""})
        source = os.path.join(self.root, entry.target)  # noqa: PTH118 - as above
        if not stat.S_ISREG(os.lstat(source).st_mode):
            raise BivyError(f"/{entry.target}, of which /{entry.path} is another name, is no file", hint=_BY_SCRIPT)
        os.link(source, place, follow_symlinks=False)
        self.entries[entry.path] = entry
        # To have another name is a change of status: both are to be looked at as they are now.
        self._files[entry.path] = self._files[entry.target] = _File.of(os.lstat(place))

    def given(self, chown: Chown) -> None:
        """Take note that a program gave a file to somebody.

        Inside, all files look like root's. So root as the new owner means something only where we know that it is not
        the old one; otherwise a program is copying what it saw.
        """
        known = self._owners.get(chown.identity)
        written = self._files.get(chown.path)
        entry = self.entries.get(chown.path)
        if known is None and entry is not None and self._is_as_written(chown, written, entry):
            known = entry.uid, entry.gid
        if known is None:
            owner = chown.uid or None, chown.gid or None
        else:
            owner = (known[0] if chown.uid is None else chown.uid, known[1] if chown.gid is None else chown.gid)
        self._owners[chown.identity] = owner
        self._told.add(chown.identity[1])

    def _is_as_written(self, chown: Chown, written: _File | None, entry: Entry) -> bool:
        if written is None:
            return entry.kind is not Kind.FILE
        return written.inode == chown.identity[1]

    def text_of(self, path: str) -> str:
        """Return the text of a file as it is now, empty where there is none; links are not followed."""
        try:
            self._check_parents(path, {""})
            descriptor = os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, BivyError):
            return ""
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            return file.read(MOST_BYTES).decode(errors="replace")

    def difference(self) -> Difference:
        """Read what was changed since it was written.

        Raises:
            BivyError: What is there cannot be an entry, or is more than `MOST_BYTES`.
        """
        # A file's other names come after it.
        self._inodes = {file.inode: path for path, file in reversed(self._files.items())}
        found = dict(self._scan())
        changed = {path for path, status in found.items() if self._changed(path, status)}
        names: dict[int, list[str]] = {}
        for path, status in found.items():
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                names.setdefault(status.st_ino, []).append(path)
        linked = {path: sorted(paths) for paths in names.values() if changed.intersection(paths) for path in paths}
        wanted = sorted(changed.union(linked))
        if sum(found[path].st_size for path in wanted if stat.S_ISREG(found[path].st_mode)) > MOST_BYTES:
            raise BivyError(f"install scripts wrote more than {MOST_BYTES >> 20} MB")
        entries = {path: self._entry(path, found[path], linked.get(path, [path])[0]) for path in wanted}
        for path in list(entries):
            for parent in parents_of(path):
                if parent not in entries:
                    entries[parent] = self._entry(parent, found[parent], parent)
        replaced = {
            path for path in entries if path in self.entries and not _same_kind(self.entries[path], entries[path])
        }
        gone = {path for path in self.entries if path not in found}
        return Difference(tuple(entries[path] for path in sorted(entries)), frozenset(gone | replaced))

    def _scan(self) -> Iterator[tuple[str, os.stat_result]]:
        pending = [""]
        while pending:
            folder = pending.pop()
            place = self.root / folder
            for item in _list(place):
                path = f"{folder}/{item.name}" if folder else item.name
                status = item.stat(follow_symlinks=False)
                if stat.S_IFMT(status.st_mode) not in _KINDS:
                    # A pipe, a socket: only while something runs.
                    continue
                yield path, status
                if stat.S_ISDIR(status.st_mode):
                    pending.append(path)

    def _changed(self, path: str, status: os.stat_result) -> bool:
        """Tell whether something is not as it was written, by its content where its status leaves that open."""
        entry = self.entries.get(path)
        if entry is None or not _same_kind(entry, status.st_mode):
            return True
        if self._owner(path, status, entry) != (entry.uid, entry.gid):
            return True
        if entry.kind is Kind.DIRECTORY:
            return stat.S_IMODE(status.st_mode) != _folder_mode(entry)
        if entry.kind is Kind.SYMLINK:
            return os.readlink(self.root / path) != entry.target  # noqa: PTH115 - the verbatim target
        written = self._files[path]
        if written == _File.of(status):
            return False
        original = self.entries[entry.target] if entry.kind is Kind.HARDLINK else entry
        return stat.S_IMODE(status.st_mode) != original.mode or self._read(path, status) != original.content

    def _owner(self, path: str, status: os.stat_result, before: Entry | None) -> tuple[int, int]:
        """Return who owns a file: whom a program gave it to, else who did when it was written, else root."""
        entry = self._moved(status) or before
        uid, gid = (entry.uid, entry.gid) if entry else (0, 0)
        if status.st_ino not in self._told:
            return uid, gid
        told_uid, told_gid = self._owners.get(identify(self.root / path), (None, None))
        return uid if told_uid is None else told_uid, gid if told_gid is None else told_gid

    def _moved(self, status: os.stat_result) -> Entry | None:
        """Return what a file was written as, whatever it is called now; its number may be another file's meanwhile."""
        path = self._inodes.get(status.st_ino)
        if path is None or not stat.S_ISREG(status.st_mode):
            return None
        written = self._files[path]
        same = (written.size, written.modified) == (status.st_size, status.st_mtime_ns)
        return self.entries[path] if same else None

    def _read(self, path: str, status: os.stat_result) -> bytes:
        place = self.root / path
        try:
            if not status.st_mode & 0o400:
                place.chmod(0o600)
            return place.read_bytes()
        except OSError as fault:
            raise BivyError(f"/{path}, which an install script wrote, cannot be read: {fault.strerror}") from None

    def _entry(self, path: str, status: os.stat_result, first: str) -> Entry:
        """Return what is there as an entry."""
        try:
            path.encode()
        except UnicodeEncodeError:
            raise BivyError(f"an install script wrote a file whose name is not UTF-8: {path!r}") from None
        before = self.entries.get(path)
        uid, gid = self._owner(path, status, before)
        entry = Entry(
            path, _KINDS[stat.S_IFMT(status.st_mode)], stat.S_IMODE(status.st_mode), uid, gid,
            before.user if before and before.uid == uid else "root" if not uid else "",
            before.group if before and before.gid == gid else "root" if not gid else "", self.epoch,
        )  # fmt: skip
        if entry.kind is Kind.SYMLINK:
            return replace(entry, mode=0o777, target=os.readlink(self.root / path))  # noqa: PTH115 - as above
        if entry.kind is Kind.DIRECTORY:
            untouched = before is not None and entry.mode == _folder_mode(before)
            return replace(entry, mode=before.mode if before and untouched else entry.mode)
        if first != path:
            return replace(entry, kind=Kind.HARDLINK, target=first)
        content = self._read(path, status)
        same = before is not None and before.content == content
        return replace(entry, content=content, xattrs=before.xattrs if before and same else ())


_BY_SCRIPT = "an install script of another package made it so"
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}


def _folder_mode(entry: Entry) -> int:
    """Return the mode that a folder has on disk: whoever writes to it, root inside, is an ordinary user outside."""
    return entry.mode | 0o700


def _same_kind(entry: Entry, other: Entry | int) -> bool:
    kind = other.kind if isinstance(other, Entry) else _KINDS.get(stat.S_IFMT(other))
    return kind is entry.kind or {kind, entry.kind} == {Kind.FILE, Kind.HARDLINK}


def _list(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except PermissionError:
        folder.chmod(0o700)
        with os.scandir(folder) as found:
            return list(found)


def names_of(text: str) -> Mapping[str, int]:
    """Read the numbers of users or groups from the text of ``/etc/passwd`` or ``/etc/group``; what is none is not read.

    The first line of a name counts, as for the C library.
    """
    numbers: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split(":")
        if len(words) > 2 and words[0] and words[2].isascii() and words[2].isdecimal() and len(words[2]) <= 10:
            numbers.setdefault(words[0], int(words[2]))
    return numbers
