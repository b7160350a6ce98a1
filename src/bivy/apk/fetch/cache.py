"""What was fetched and may be used again: indexes with their age, and packages, in a folder laid out as apk's.

An index is ``APKINDEX.HASH.tar.gz``, where the hash is that of its address, and its age that of the file; a package is
``NAME-VERSION.HASH.apk``, where the hash is the one that the index knows it by (apk-tools 2.14, database.c).
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import os
import time

from bivy.apk.errors import ApkError
from bivy.apk.fetch.repository import file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.fetch.repository import Listed

MAX_AGE = 4 * 60 * 60
_WHOLE = "etc/apk/cache"
_INDEXES = "var/cache/apk"
_TEMPORARY = ".bivy-"
_ABANDONED = 24 * 60 * 60
_HASH_BYTES = 4
_MOST_LINKS = 40


class Cache:
    """A folder of fetched files. What it returns is unchecked: it may have been changed or damaged since.

    Attributes:
        folder: Where it is; made when something is kept.
        packages: Whether packages are kept too.
    """

    __slots__ = ("folder", "packages")

    def __init__(self, folder: str | os.PathLike[str], *, packages: bool = True) -> None:
        self.folder = os.fspath(folder)
        self.packages = packages

    def index_path(self, address: str) -> str:
        """Return where the index of an address is kept."""
        digest = hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
        return os.path.join(self.folder, f"APKINDEX.{digest[: 2 * _HASH_BYTES]}.tar.gz")

    def package_path(self, entry: Listed) -> str:
        """Return where a package is kept.

        Raises:
            ApkError: Its name, version or checksum is none.
        """
        name = file_name(entry).removesuffix(".apk")
        try:
            digest = binascii.a2b_base64(entry.checksum.removeprefix("Q1"))
        except ValueError:
            digest = b""
        if len(digest) != 20 or not entry.checksum.startswith("Q1"):
            raise ApkError(f"an index lists {name} with a checksum that is none: {entry.checksum!r}")
        return os.path.join(self.folder, f"{name}.{digest[:_HASH_BYTES].hex()}.apk")

    def keep(self, path: str, content: bytes) -> None:
        """Write a file of the cache: whole, or not at all.

        Two processes may do so at once: the last one's stays.

        Raises:
            OSError: It cannot be written; what was there before still is.
        """
        os.makedirs(self.folder, exist_ok=True)
        name = f"{_TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}"
        temporary = os.path.join(self.folder, name)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def sweep(self) -> None:
        """Remove what killed processes left behind half-written a day ago or earlier."""
        with contextlib.suppress(OSError), os.scandir(self.folder) as found:
            for item in found:
                if item.name.startswith(_TEMPORARY) and time.time() - item.stat().st_mtime > _ABANDONED:
                    os.unlink(item.path)


def fetched_at(path: str) -> float | None:
    """Return when a file of the cache was fetched, in seconds since 1970; ``None`` where it is not there."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def age_in_words(seconds: float) -> str:
    """Return how long ago something was, as a person would say it."""
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "less than a minute ago"


def _resolve(root: str, path: str) -> str | None:
    """Return where a path below `root` leads when links are followed as inside it; ``None`` where that has no end."""
    pending, resolved, links = path.split("/"), list[str](), 0
    while pending:
        part = pending.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            resolved = resolved[:-1]
            continue
        here = os.path.join(root, *resolved, part)
        if not os.path.islink(here):
            resolved.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        target = os.readlink(here)
        if target.startswith("/"):
            resolved = []
        pending = target.split("/") + pending
    return os.path.join(root, *resolved)


def cache_of_root(root: str = "/", folder: str = _WHOLE) -> Cache:
    """Return the cache of a root, as apk chooses it.

    ``/etc/apk/cache``, a folder or a link to one, for indexes and packages where it exists, which is how its user asks
    for that; ``/var/cache/apk``, for indexes only, where it does not.

    Args:
        root: The root.
        folder: What is looked for instead of ``etc/apk/cache`` (``--cache-dir``).
    """
    whole = _resolve(root, folder)
    if whole and os.path.isdir(whole):
        return Cache(whole)
    return Cache(_resolve(root, _INDEXES) or os.path.join(root, _INDEXES), packages=False)
