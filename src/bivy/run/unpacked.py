"""The files of an image in a folder, unpacked once for all its runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bivy.errors import BivyError
from bivy.files import locked, remove_folder, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROOTS = "roots"
"""The folder below the cache's."""


def unpacked(digest: str, write_root: Callable[[Path], None], cache: Path) -> Path:
    """Return the folder with an image's files, which all its runs share and none may write to.

    It lies in a folder that only the caller can enter, because a file with a setuid bit is the caller's own there.

    Args:
        digest: What the files are known by, such as the manifest's digest.
        write_root: Writes the files into a folder that exists and is empty.
        cache: The folder of what can be made again.

    Raises:
        BivyError: The files cannot be written.
    """
    folder = cache / ROOTS / digest.replace(":", "-")
    with locked(cache / "locks" / f"root-{folder.name}"):
        if not folder.is_dir():
            for left in folder.parent.glob(f".{folder.name}-*"):  # by one that was killed: nobody else has the lock
                remove_folder(left)
            with scratch_folder(folder.parent, f".{folder.name}-") as scratch:
                _write(write_root, scratch / "root")
                scratch.rename(folder)
    return folder / "root"


@contextlib.contextmanager
def throwaway(write_root: Callable[[Path], None], cache: Path) -> Iterator[Path]:
    """Write an image's files into a folder of one run's own, which is removed afterwards.

    Raises:
        BivyError: The files cannot be written.
    """
    with scratch_folder(cache / ROOTS, ".running-") as scratch:
        _write(write_root, scratch / "root")
        yield scratch / "root"


def _write(write_root: Callable[[Path], None], root: Path) -> None:
    root.mkdir(mode=0o755)
    try:
        write_root(root)
    except OSError as fault:
        raise BivyError(
            f"cannot unpack the image into {root.parent.parent}: {fault.strerror}",
            hint="free some space, or set BIVY_CACHE to a folder elsewhere",
        ) from fault
