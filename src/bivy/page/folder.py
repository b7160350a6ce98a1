"""A page's folder: written, or compared with what it would be."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Longer ones are of other files than a page's.
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not as it would be written now.

    Attributes:
        name: Its name in the folder.
        state: ``missing``, ``changed``, or ``left over`` where it would not be written any more.
        lines: What differs, as ``diff -u`` has it; nothing where it is no text.
    """

    name: str
    state: str
    lines: tuple[str, ...]


def write_folder(files: Mapping[str, bytes], folder: Path, owned: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Write the files of a page, each whole, and remove those of former pages that are none any more.

    Args:
        files: The files by name.
        folder: Where they go.
        owned: The names of files that a page can have and need not.

    Returns:
        The names of those that were not so already.
    """
    changed = [difference.name for difference in compare(files, folder, owned)]
    for name in changed:
        if name in files:
            write_whole(folder / name, files[name])
        else:
            (folder / name).unlink(missing_ok=True)
    return tuple(changed)


def compare(files: Mapping[str, bytes], folder: Path, owned: tuple[str, ...] = ()) -> tuple[Difference, ...]:
    """Tell which files in a folder are not as they would be written now.

    Args:
        files: What would be written, by name.
        folder: The folder.
        owned: The names of files that a page can have and need not; others in the folder are nobody's business.
    """
    found = []
    for name in sorted({*files, *owned}):
        there, wanted = _read(folder / name), files.get(name)
        if there != wanted:
            state = "missing" if there is None else "changed" if wanted is not None else "left over"
            found.append(Difference(name, state, tuple(_differing(name, there or b"", wanted or b""))))
    return tuple(found)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except FileNotFoundError:
        return None


def _differing(name: str, there: bytes, wanted: bytes) -> list[str]:
    try:
        before, after = there.decode().splitlines(), wanted.decode().splitlines()
    except UnicodeDecodeError:
        return []
    return list(difflib.unified_diff(before, after, f"{name}, as it is", f"{name}, as it would be", lineterm=""))
