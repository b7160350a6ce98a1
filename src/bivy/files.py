"""Files that are either whole or not there, folders that two processes share, and where the cache is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Noted = TypeVar("_Noted")

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def cache_folder() -> Path:
    """Return the folder of everything that bivy can make or fetch again.

    ``BIVY_CACHE`` where it is set, else ``bivy`` under ``XDG_CACHE_HOME`` or ``~/.cache``
    (XDG Base Directory Specification 0.8).
    """
    told = os.environ.get("BIVY_CACHE")
    if told:
        return Path(told).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bivy"


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have a write that fails for want of room say which file or folder it was for; by itself, it does not."""
    try:
        yield
    except OSError as fault:
        if fault.filename is None and fault.errno in _NO_ROOM:
            fault.filename = str(path)
        raise


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of `path` when the block ends well, and vanishes when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with naming(path), os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half-written."""
    with replacing(path) as file:
        file.write(content)


def read_noted(path: Path, kind: type[_Noted]) -> _Noted | None:
    """Read what was written down as JSON for the next time; what is not there, or damaged, is not known.

    Args:
        path: The file.
        kind: What is in it, a type that msgspec decodes.
    """
    import msgspec

    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@contextlib.contextmanager
def locked(path: Path, *, giving_up: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold the lock named by the file `path`, waiting for another process or thread to let go of it.

    The lock dies with the process that holds it, however that ends. Where `giving_up` becomes true first, the block
    runs without it: it is for who will look at the same condition again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        while not giving_up():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
        yield


@contextlib.contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a new folder below `parent` and remove it, with all that is in it, when the block ends.

    A lock beside it is held meanwhile, so that `sweep` can tell a folder that a killed process left behind.
    """
    parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=parent, prefix=prefix, suffix=".lock")
    lock = Path(name)
    folder = lock.with_suffix("")
    with os.fdopen(descriptor, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            remove_folder(folder)
            lock.unlink(missing_ok=True)


def sweep(parent: Path) -> None:
    """Remove the scratch folders below `parent` whose processes are gone."""
    for lock in parent.glob("*.lock"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_folder(lock.with_suffix(""))
            lock.unlink(missing_ok=True)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder, with times and modes; links stay links.

    Raises:
        OSError: Something cannot be read or written: the first that cannot, where `shutil.copytree` has a list of all.
    """
    target.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            place = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                copy_folder(Path(entry.path), place)
                continue
            try:
                shutil.copy2(entry.path, place, follow_symlinks=False)
            except OSError as fault:
                if fault.errno in _NO_ROOM:  # that of the copy, not of what is copied
                    raise OSError(fault.errno, fault.strerror, str(place)) from None
                raise
    shutil.copystat(source, target)


def remove_folder(folder: Path) -> None:
    """Remove a folder, read-only folders in it included; it need not be there."""
    for path, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(path).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


Look = tuple[int, int, int, int]
"""What a file looks like: its size, the times of its content and of itself in nanoseconds since 1970, its inode."""


def look_of(status: os.stat_result) -> Look:
    """Return what a file looks like; as long as that is the same, and it was settled, so is its content."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def is_settled(newest: int, now: int) -> bool:
    """Tell whether no file can change once more without looking different.

    The kernel notes times in steps of up to 10 ms: who changes a file twice within one step leaves no trace.

    Args:
        newest: When the last of them changed, in nanoseconds since 1970.
        now: When it was looked at, in nanoseconds since 1970.
    """
    return newest < now - 20_000_000


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
