"""The files of an image in a folder, unpacked once for all its runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from bivy.errors import BivyError
from bivy.files import locked, remove_folder, scratch_folder
from bivy.oci.layer import read_layer
from bivy.run.layers import write_layers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.oci.layer import Layer

ROOTS = "roots"
"""The folder below the cache's."""


def unpacked(image: Image, cache: Path) -> Path:
    """Return the folder with an image's files, which all its runs share and none may write to.

    Images of the same layers share it. It lies in a folder that only the caller can enter, because a file with a
    setuid bit is the caller's own there.

    Args:
        image: The image; its layers are only read where the folder is not there.
        cache: The folder of what can be made again.

    Raises:
        BivyError: A layer is damaged, or the files cannot be written.
    """
    with in_use(image, cache) as folder:
        return folder


@contextlib.contextmanager
def in_use(image: Image, cache: Path) -> Iterator[Path]:
    """Give the folder with an image's files, as `unpacked` does; as long as the block runs, `forget` leaves it there.

    Raises:
        BivyError: A layer is damaged, or the files cannot be written.
    """
    name = _name(image.config.diff_ids)
    folder = cache / ROOTS / name
    with contextlib.ExitStack() as using:
        with locked(_lock(name, cache)):
            if not folder.is_dir():
                for left in folder.parent.glob(f".{name}-*"):  # by one that was killed: nobody else has the lock
                    remove_folder(left)
                with scratch_folder(folder.parent, f".{name}-") as scratch:
                    _write(image, scratch / "root", cache)
                    scratch.rename(folder)
            _hold(folder, using)
        yield folder / "root"


def forget(image: Image, cache: Path) -> None:
    """Remove the folder with an image's files, unless it is in use; it is made again when it is needed."""
    name = _name(image.config.diff_ids)
    folder = cache / ROOTS / name
    with locked(_lock(name, cache)), contextlib.suppress(FileNotFoundError, BlockingIOError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_folder(folder)
        finally:
            os.close(descriptor)


def without_last_layer(image: Image) -> Image:
    """Return what an image's last layer is laid on, as far as its files go: it cannot be started."""
    config = replace(image.config, diff_ids=image.config.diff_ids[:-1])
    return replace(image, config=config, layers=image.layers[:-1])


def _name(diff_ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(diff_ids).encode()).hexdigest()


def _lock(name: str, cache: Path) -> Path:
    return cache / "locks" / f"root-{name}"


def _hold(folder: Path, stack: contextlib.ExitStack) -> None:
    """Share a folder with all others who use it, for as long as a stack is open."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    stack.callback(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_SH)


@contextlib.contextmanager
def throwaway(image: Image, cache: Path) -> Iterator[Path]:
    """Write an image's files into a folder of one run's own, which is removed afterwards.

    Raises:
        BivyError: A layer is damaged, or the files cannot be written.
    """
    with scratch_folder(cache / ROOTS, ".running-") as scratch:
        _write(image, scratch / "root")
        yield scratch / "root"


def _write(image: Image, root: Path, cache: Path | None = None) -> None:
    """Write an image's files; those that are in `cache` as the files of an image below it are not written again."""
    try:
        if cache is None or not _write_on_known(image, root, cache):
            root.mkdir()
            root.chmod(0o755)
            write_layers(_archives(image.layers), root)
    except OSError as fault:
        raise BivyError(
            f"cannot unpack the image into {root.parent.parent}: {fault.strerror}",
            hint="free some space, or set BIVY_CACHE to a folder elsewhere",
        ) from fault


def _write_on_known(image: Image, root: Path, cache: Path) -> bool:
    """Write an image's files on top of those of an image below it, and tell whether there is one where that works."""
    for known in range(len(image.layers) - 1, 0, -1):
        folder = cache / ROOTS / _name(image.config.diff_ids[:known])
        try:
            with contextlib.ExitStack() as stack:
                _hold(folder, stack)
                _link_folder(folder / "root", root)
                write_layers(_archives(image.layers[known:]), root)
        except FileNotFoundError:
            remove_folder(root)
        except PermissionError:  # a folder that nobody may write to, or a file system without second names
            remove_folder(root)
            return False
        else:
            return True
    return False


def _archives(layers: Sequence[Layer]) -> Iterator[IO[bytes]]:
    return (io.BytesIO(read_layer(layer)) for layer in layers)


def _link_folder(source: Path, target: Path) -> None:
    """Make a folder with the files of another one under second names: nobody ever writes into either."""
    target.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _link_folder(source / entry.name, target / entry.name)
            else:
                os.link(entry.path, target / entry.name, follow_symlinks=False)
    shutil.copystat(source, target)
