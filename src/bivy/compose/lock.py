"""Which packages in which versions an image consists of, in a file that a person can read and keep."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import msgspec

from bivy.errors import BivyError, UsageError
from bivy.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class LockedPackage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One package.

    Attributes:
        name: Its name.
        version: Its version with the revision.
        checksum: What an index knows it by (``Q1`` and SHA-1 of its control segment, which names the SHA-256 of
            its files).
        size: Bytes of its file.
        repository: Which of the release's repositories has it: ``main``.
    """

    name: str
    version: str
    checksum: str
    size: int
    repository: str


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lock file.

    Attributes:
        release: The release of Alpine's.
        packages: The packages, in the order of their installation, by architecture (Alpine's name).
        version: The version of this format.
    """

    release: str
    packages: dict[str, tuple[LockedPackage, ...]] = {}
    version: int = 1


HEAD = """\
# Which of Alpine's packages the image consists of. Made by `bivy build --lock`, which obeys it from then on;
# remove a section, or the file, and the next build writes it anew.
"""


def read_lock(path: Path) -> Lock | None:
    """Read a lock file; ``None`` where there is none.

    Raises:
        UsageError: It is there and is none.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(f"the lock file {path} cannot be read: {fault}") from None
    try:
        lock = msgspec.convert(tomllib.loads(text), Lock)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise UsageError(
            f"the lock file {path}: {fault}", hint="remove it, and the next build writes it anew"
        ) from None
    if lock.version != 1:
        raise UsageError(f"the lock file {path} is of version {lock.version}, which this bivy does not know")
    return lock


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock file, whole or not at all.

    Raises:
        BivyError: It cannot be written.
    """
    try:
        write_whole(path, format_lock(lock).encode())
    except OSError as fault:
        raise BivyError(f"the lock file {path} cannot be written: {fault.strerror}") from fault


def format_lock(lock: Lock) -> str:
    """Return the text of a lock file."""
    lines = [HEAD, f"version = {lock.version}", f"release = {_quoted(lock.release)}"]
    for arch, packages in sorted(lock.packages.items()):
        for package in packages:
            lines += ["", f"[[packages.{arch}]]", *_fields(msgspec.structs.asdict(package))]
    return "\n".join([*lines, ""])


def _fields(values: Mapping[str, str | int]) -> list[str]:
    return [f"{key} = {value if isinstance(value, int) else _quoted(value)}" for key, value in values.items()]


def _quoted(text: str) -> str:
    # What JSON escapes in a string, TOML's basic strings escape in the same way, and DEL too (TOML 1.0, String).
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
