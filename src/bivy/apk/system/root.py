"""A root filesystem that packages are installed in: its folders, its database and its lock."""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import time
import zlib
from dataclasses import dataclass

from bivy.apk.database import InstalledPackage, parse_scripts, parse_triggers, read_installed
from bivy.apk.errors import ApkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Self

DATABASE = "lib/apk/db"
WORLD = "etc/apk/world"
ARCH = "etc/apk/arch"
_INSTALLED, _TRIGGERS, _LOCK = f"{DATABASE}/installed", f"{DATABASE}/triggers", f"{DATABASE}/lock"
# apk-tools 3 compresses the scripts where it finds no scripts.tar, and reads and continues either.
SCRIPTS_TAR, SCRIPTS_TAR_GZ = f"{DATABASE}/scripts.tar", f"{DATABASE}/scripts.tar.gz"
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40
_MOST_OPEN = 200
_DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9), "console": (5, 1)}


class Root:
    """A root filesystem, and the way to its folders that never leads out of it.

    Links are followed as a process sees them that has this folder as its root: absolute ones and ``..`` end at it.
    Each folder is opened from its parent without following a link, so that nobody who changes the tree meanwhile can
    lead us elsewhere. Paths are relative to the root, without a leading ``/``.

    Attributes:
        path: Where it is.
        descriptor: The open folder.
        changed_root: Whether it is another than this process's own root.
    """

    def __init__(self, path: str = "/") -> None:
        try:
            self.descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as fault:
            raise ApkError(f"cannot open the root {path}: {fault.strerror}", hint="is it a folder?") from None
        self.path = path
        own, ours = os.stat("/"), os.fstat(self.descriptor)
        self.changed_root = (own.st_dev, own.st_ino) != (ours.st_dev, ours.st_ino)
        self._real: dict[str, str] = {"": ""}
        self._descriptors: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folders that are open; the value is of no more use."""
        self.forget()
        os.close(self.descriptor)

    def forget(self) -> None:
        """Forget where links lead: to be called after something else may have changed them."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        self._real = {"": ""}

    def changed(self, path: str) -> None:
        """Take note that something else is at a path now."""
        if path in self._real:
            self.forget()

    def _open(self, real: str) -> int:
        """Return the open folder at a path that has no links in it."""
        if not real:
            return self.descriptor
        if real not in self._descriptors:
            parent, _, name = real.rpartition("/")
            self._descriptors[real] = os.open(name, _FOLDER, dir_fd=self._open(parent))
        return self._descriptors[real]

    def _resolve(self, path: str) -> str:
        """Return a path without links; what is not there counts as no link."""
        if path in self._real:
            return self._real[path]
        parent, _, name = path.rpartition("/")
        above = self._resolve(parent)
        real, ahead, links = above.split("/") if above else [], [name], 0
        while ahead:
            word = ahead.pop()
            if word == "..":
                real = real[:-1]
            if word in ("", ".", ".."):
                continue
            try:
                target = os.readlink(word, dir_fd=self._open("/".join(real)))
            except OSError as fault:
                if fault.errno not in (errno.EINVAL, errno.ENOENT):
                    raise
                real.append(word)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            real = [] if target.startswith("/") else real
            ahead += reversed(target.split("/"))
        return "/".join(real)

    def folder(self, path: str) -> int:
        """Return an open folder, after following links inside the root; it stays open until something is forgotten.

        Raises:
            OSError: It is not there, or no folder.
        """
        if len(self._descriptors) > _MOST_OPEN:
            self.forget()
        real = self._resolve(path)
        descriptor = self._open(real)
        self._real[path] = real
        return descriptor

    def place(self, path: str) -> tuple[int, str]:
        """Return the open folder that a path is in, and its name in there."""
        parent, _, name = path.rpartition("/")
        return self.folder(parent), name

    def status(self, path: str) -> os.stat_result | None:
        """Return what is at a path, not following it where it is a link; ``None`` where nothing is."""
        try:
            folder, name = self.place(path)
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as fault:
            if fault.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise

    def read(self, path: str) -> bytes | None:
        """Return a file's content, after following links inside the root; ``None`` where there is none."""
        try:
            folder, name = self.place(self._resolve(path))
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as fault:
            if fault.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none where there is no such folder."""
        try:
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.folder(path))
        except OSError as fault:
            if fault.errno in (errno.ENOENT, errno.ENOTDIR):
                return []
            raise
        try:
            return sorted(os.listdir(descriptor))
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class State:
    """What is installed in a root.

    Attributes:
        installed: The packages, in the database's order; their folders are read when they are asked for.
        world: What was asked for, as it is written.
        scripts: The scripts of packages by the package's checksum and the script's name (``post-install``).
        triggers: The folders, with wildcards, that packages watch, by the package's checksum, in order.
        arch: Alpine's name of the architecture; empty where the root does not say.
    """

    installed: tuple[InstalledPackage, ...]
    world: tuple[str, ...]
    scripts: Mapping[str, Mapping[str, bytes]]
    triggers: Mapping[str, tuple[str, ...]]
    arch: str


def _read_scripts(root: Root) -> dict[str, dict[str, bytes]]:
    where, content = SCRIPTS_TAR, root.read(SCRIPTS_TAR)
    if content is None:
        where, packed = SCRIPTS_TAR_GZ, root.read(SCRIPTS_TAR_GZ)
        try:
            content = zlib.decompress(packed, wbits=31) if packed else b""
        except zlib.error:
            raise ApkError(f"{where} is damaged", hint="apk fix --reinstall brings the scripts back") from None
    return parse_scripts(content, where)


def _text(root: Root, path: str) -> str | None:
    content = root.read(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        raise ApkError(f"{path} is not UTF-8") from None


def read_state(root: Root) -> State:
    """Read what is installed in a root.

    Raises:
        ApkError: There is no database, or it is damaged.
    """
    try:
        installed = _text(root, _INSTALLED)
        world, triggers, arch = (_text(root, path) or "" for path in (WORLD, _TRIGGERS, ARCH))
        scripts = _read_scripts(root)
    except OSError as fault:
        raise ApkError(f"Unable to read database state: {fault.strerror}") from None
    if installed is None:
        raise ApkError(
            f"{root.path} has no database of packages ({_INSTALLED})", hint="apk --initdb add makes an empty one"
        )
    return State(
        installed=read_installed(installed),
        world=tuple(world.split()),
        scripts=scripts,
        triggers=parse_triggers(triggers),
        arch=arch.strip(),
    )


def _try_lock(root: Root) -> int | None:
    """Return the lock's file, locked; ``None`` where another process holds it."""
    folder, name = root.place(_LOCK)
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _lock(root: Root, wait: float, waiting: Callable[[], None]) -> int:
    try:
        descriptor = _try_lock(root)
        if descriptor is None and wait > 0:
            waiting()
            end = time.monotonic() + wait
            while descriptor is None and time.monotonic() < end:
                time.sleep(0.05)
                descriptor = _try_lock(root)
    except FileNotFoundError:
        raise ApkError(
            f"{root.path} has no database of packages ({DATABASE})", hint="apk --initdb add makes an empty one"
        ) from None
    except OSError as fault:
        hint = "changing packages is root's" if fault.errno in (errno.EACCES, errno.EPERM) else None
        raise ApkError(f"Unable to lock database: {fault.strerror}", hint=hint) from None
    if descriptor is None:
        raise ApkError(
            "Unable to lock database: temporary error (try again later)",
            hint="another apk is at work here; --wait SECONDS waits for it",
        )
    return descriptor


@contextlib.contextmanager
def locked(root: Root, wait: float = 0, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a root's database, as genuine apk does with the same lock: neither changes what the other is at.

    The lock is gone with the process that holds it.

    Args:
        root: The root.
        wait: Seconds to wait for another that holds it.
        waiting: What is called once before waiting.

    Raises:
        ApkError: Another holds it still, there is no database, or it cannot be written.
    """
    descriptor = _lock(root, wait, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


def _make_folder(root: Root, path: str, mode: int) -> None:
    folder, name = root.place(path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=folder)
        if mode & 0o7000:
            os.chmod(name, mode, dir_fd=folder)


def write_file(root: Root, path: str, content: bytes, mode: int = 0o644) -> None:
    """Write a new file, in place of one that is there.

    Raises:
        OSError: It cannot be written; then nothing of it is there.
    """
    folder, name = root.place(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, mode, dir_fd=folder)
    try:
        try:
            write_all(descriptor, content)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of some bytes to an open file.

    Raises:
        OSError: They do not all fit.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def checksum_at(root: Root, path: str, like: str) -> str:
    """Return the checksum of a file's content or a link's target, of the kind that another has; empty without one.

    Raises:
        OSError: It is not there, or cannot be read.
    """
    folder, name = root.place(path)
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        content: bytes | None = os.fsencode(os.readlink(name, dir_fd=folder))
    else:
        content = root.read(path) if stat.S_ISREG(status.st_mode) else None
    if content is None or not like:
        return ""
    if like.startswith("Q2"):
        return "Q2" + base64.b64encode(hashlib.sha256(content).digest()).decode()
    return "Q1" + base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def create(root: Root, arch: str) -> None:
    """Make an empty database, and the folders and devices that genuine apk makes with it; what is there is left.

    Args:
        root: The root.
        arch: Alpine's name of its architecture; where it is empty, nothing is said of it.

    Raises:
        ApkError: It cannot be written.
    """
    if root.status(_INSTALLED) is not None:
        return
    try:
        for path, mode in (("tmp", 0o1777), ("dev", 0o755), ("etc", 0o755), ("lib", 0o755), ("var", 0o755)):
            _make_folder(root, path, mode)
        for name, (major, minor) in _DEVICES.items():
            # Without the right to make devices, scripts have to do without.
            with contextlib.suppress(OSError):
                mode = stat.S_IFCHR | (0o600 if name == "console" else 0o666)
                os.mknod(name, mode, os.makedev(major, minor), dir_fd=root.folder("dev"))
        for path in ("etc/apk", "lib/apk", DATABASE, "var/cache", "var/cache/apk", "var/cache/misc"):
            _make_folder(root, path, 0o755)
        if arch and root.status(ARCH) is None:
            write_file(root, ARCH, f"{arch}\n".encode())
        if root.status(WORLD) is None:
            write_file(root, WORLD, b"")
        write_file(root, _INSTALLED, b"")
    except OSError as fault:
        raise ApkError(f"Unable to create database: {fault.strerror} ({fault.filename})") from None
