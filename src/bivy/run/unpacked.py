"""The files of an image in a folder, unpacked once for all its runs."""

from __future__ import annotations

import contextlib
import hashlib
import io
from typing import TYPE_CHECKING

from bivy.errors import BivyError
from bivy.files import locked, remove_folder, scratch_folder
from bivy.oci.layer import read_layer
from bivy.run.layers import write_layers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bivy.oci.image import Image

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
    name = hashlib.sha256("\n".join(image.config.diff_ids).encode()).hexdigest()
    folder = cache / ROOTS / name
    with locked(cache / "locks" / f"root-{name}"):
        if not folder.is_dir():
            for left in folder.parent.glob(f".{name}-*"):  # by one that was killed: nobody else has the lock
                remove_folder(left)
            with scratch_folder(folder.parent, f".{name}-") as scratch:
                _write(image, scratch / "root")
                scratch.rename(folder)
    return folder / "root"


@contextlib.contextmanager
def throwaway(image: Image, cache: Path) -> Iterator[Path]:
    """Write an image's files into a folder of one run's own, which is removed afterwards.

    Raises:
        BivyError: A layer is damaged, or the files cannot be written.
    """
    with scratch_folder(cache / ROOTS, ".running-") as scratch:
        _write(image, scratch / "root")
        yield scratch / "root"


def _write(image: Image, root: Path) -> None:
    root.mkdir()
    root.chmod(0o755)
    try:
        write_layers((io.BytesIO(read_layer(layer)) for layer in image.layers), root)
    except OSError as fault:
        raise BivyError(
            f"cannot unpack the image into {root.parent.parent}: {fault.strerror}",
            hint="free some space, or set BIVY_CACHE to a folder elsewhere",
        ) from fault
