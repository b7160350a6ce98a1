"""Where in a registry a blob is known to be, so that another repository there can be given it without its bytes."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from bivy.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.oci.registry.name import Name

FOLDER = "registries"
"""The folder below the cache's."""


def remember(cache: Path, name: Name, digest: str) -> None:
    """Keep in mind that a repository has a blob; it does not matter where that fails."""
    path = _path(cache, name.host, digest)
    with contextlib.suppress(OSError):
        if not path.exists() or path.read_text() != name.repository:
            write_whole(path, name.repository.encode())


def origin(cache: Path, name: Name, digest: str) -> str:
    """Return another repository of the same registry that had a blob; empty where none is known."""
    try:
        found = _path(cache, name.host, digest).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
    return found if found != name.repository else ""


def _path(cache: Path, host: str, digest: str) -> Path:
    folder = hashlib.sha256(host.encode()).hexdigest()[:16]
    return cache / FOLDER / folder / digest.removeprefix("sha256:")
