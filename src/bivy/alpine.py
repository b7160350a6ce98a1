"""Alpine's releases: until when each is supported, where its packages are, and whose keys sign them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.errors import UsageError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

INSTALLED = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
"""Where the database of installed packages is in a root: newer releases have all of /lib in /usr."""
OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
"""Where a root says which system it is, the first that is there (os-release(5))."""
_FILE = Path(__file__).with_suffix(".toml")
_KEYS = Path(__file__).parent / "recipes" / "alpine-keys" / "keys"


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Alpine's.

    Attributes:
        name: Its number, such as ``3.24``, or ``edge``.
        until: The last day of its support; ``None`` where bivy does not know, or there is none.
        repositories: The names of the repositories that images use: ``main``, ``community``.
        mirror: Where they are, unless another mirror is named.
    """

    name: str
    until: dt.date | None
    repositories: tuple[str, ...]
    mirror: str

    @property
    def branch(self) -> str:
        """The folder on a mirror: ``v3.24``, ``edge``."""
        return self.name if self.name == "edge" else f"v{self.name}"

    def urls(self, mirror: str = "") -> tuple[str, ...]:
        """Return the addresses of its repositories, on a mirror or on Alpine's own."""
        base = (mirror or self.mirror).rstrip("/")
        return tuple(f"{base}/{self.branch}/{name}" for name in self.repositories)

    def past(self, today: dt.date) -> bool:
        """Tell whether its support has ended."""
        return self.until is not None and today > self.until


def find_release(text: str) -> Release:
    """Find a release by its number, with or without ``v``, or ``edge``; a newer one than bivy knows is taken too.

    Raises:
        UsageError: It is no release.
    """
    known = tomllib.loads(_FILE.read_text("utf-8"))
    name = text.removeprefix("v")
    if name != "edge" and not re.fullmatch(r"3\.\d{1,3}", name):
        raise UsageError(
            f"{text!r} is not a release of Alpine's",
            hint=f"such as {', '.join(list(known['releases'])[:3])}, or edge",
        )
    return Release(name, known["releases"].get(name), tuple(known["repositories"]), known["mirror"])


def default_keys(arch: str) -> Path:
    """Return the folder of Alpine's own public keys for an architecture (Alpine's name)."""
    return _KEYS / arch


def os_release(read: Callable[[str], bytes | None]) -> dict[str, str]:
    """Return what a root says of its system, by key (os-release(5)); a line that says nothing is passed over.

    Args:
        read: Gives the content of a file by its path from the root, ``None`` where there is none.
    """
    content = next((found for path in OS_RELEASE if (found := read(path)) is not None), b"")
    pairs = (line.partition("=") for line in content.decode("utf-8", "replace").splitlines())
    return {key: value.strip().strip("\"'") for key, mark, value in pairs if mark and key.isidentifier()}
