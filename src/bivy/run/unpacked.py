"""The files of an image in a folder, unpacked once for all its runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bivy.errors import BivyError
from bivy.files import locked, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
    folder = cache / "run" / digest.replace(":", "-")
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            with scratch_folder(folder.parent, ".unpacking-") as scratch:
                _write(write_root, scratch / "root")
                scratch.rename(folder)
    return folder / "root"


@contextlib.contextmanager
def throwaway(write_root: Callable[[Path], None], cache: Path) -> Iterator[Path]:
    """Write an image's files into a folder of one run's own, which is removed afterwards.

    Raises:
        BivyError: The files cannot be written.
    """
    with scratch_folder(cache / "run", ".running-") as scratch:
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
