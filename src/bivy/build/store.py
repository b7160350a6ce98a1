"""The packages that were built, by the digest of what they were built from; a crash cannot leave half of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bivy.files import read_noted, remove_folder, scratch_folder, sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Stored(msgspec.Struct, frozen=True):
    """What is in one folder of the store: the digest of each package's file, by name."""

    label: str
    packages: dict[str, str]


class Store:
    """A folder of built packages: ``KEY/NAME-VERSION.apk``, and ``KEY/contents.json`` that names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> list[Path] | None:
        """Return the package files that were built from what `key` is the digest of, or ``None``.

        A folder in which a file is missing, or has other bytes than were written, is removed: it will be built again.
        """
        folder = self.folder / key
        stored = read_noted(folder / "contents.json", Stored)
        paths = {folder / name: digest for name, digest in stored.packages.items()} if stored else {}
        try:
            whole = stored is not None and all(sha256_of(path) == digest for path, digest in paths.items())
        except OSError:
            whole = False
        if not whole:
            remove_folder(folder)
            return None
        return list(paths)

    def has(self, key: str) -> bool:
        """Tell whether there is something for `key`, without looking at its bytes."""
        return (self.folder / key / "contents.json").is_file()

    def add(self, key: str, label: str, packages: Mapping[str, bytes]) -> list[Path]:
        """Keep packages, all or none of them.

        Args:
            key: The digest of what they were built from.
            label: What people call it.
            packages: The files' contents by name.
        """
        target = self.folder / key
        with scratch_folder(self.folder, ".new-") as scratch:
            whole = scratch / "whole"
            whole.mkdir()
            for name, content in packages.items():
                (whole / name).write_bytes(content)
            stored = Stored(label, {name: sha256_of(whole / name) for name in packages})
            (whole / "contents.json").write_bytes(msgspec.json.encode(stored))
            remove_folder(target)
            whole.rename(target)
        return [target / name for name in packages]
