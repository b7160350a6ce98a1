"""Layers are laid over one another in a folder, as an ordinary user and never outside it (OCI image-spec, layer.md)."""

from __future__ import annotations

import os
import posixpath
import shutil
import tarfile
from typing import IO, TYPE_CHECKING

from bivy.errors import BivyError
from bivy.files import remove_folder
from bivy.run.inside import Inside

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


def write_layers(layers: Iterable[IO[bytes]], root: Path) -> None:
    """Write the files of an image into an empty folder.

    All files are the caller's own, whatever the layers say. Modes and times are the layers'. Devices are left out:
    an ordinary user can make none, and a container has its own.

    Args:
        layers: The uncompressed archive of each layer, the lowest first.
        root: The folder that becomes the image's ``/``.

    Raises:
        BivyError: A layer is damaged, or does not fit the ones below.
        OSError: Something cannot be written.
    """
    folders: dict[Path, tarfile.TarInfo] = {}
    for number, layer in enumerate(layers, 1):
        try:
            with tarfile.open(fileobj=layer, mode="r|") as archive:
                _write_layer(archive, Inside(root), folders)
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as fault:
            raise BivyError(f"layer {number} of the image is damaged: {fault}") from fault
    # Last, and the deepest first: a folder that may not be written to can only be closed once all is in it.
    for folder, member in sorted(folders.items(), key=lambda pair: len(pair[0].parts), reverse=True):
        if folder.is_dir() and Inside(root).outside("/" + str(folder.relative_to(root))) == folder:
            os.utime(folder, (member.mtime, member.mtime))
            folder.chmod(member.mode & 0o7777)


def _write_layer(archive: tarfile.TarFile, inside: Inside, folders: dict[Path, tarfile.TarInfo]) -> None:
    written: set[Path] = set()
    for member in archive:
        if member.issparse() or member.size < 0:
            # A sparse file claims any size for a few bytes, and no tool writes one into a layer.
            raise BivyError(f"/{member.name} in the image is of a kind that a layer should not have")
        path = posixpath.normpath("/" + member.name)
        parent, name = inside.outside(posixpath.dirname(path)), posixpath.basename(path)
        place = parent / name
        if name == OPAQUE:
            _clear(parent, written)
        elif name.startswith(WHITEOUT):
            hidden = name.removeprefix(WHITEOUT)
            if hidden not in ("", ".", ".."):
                _remove(parent / hidden)
        else:
            _write(archive, member, place, inside, folders)
            written.update((place, *place.parents))


def _write(
    archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path, inside: Inside, folders: dict[Path, tarfile.TarInfo]
) -> None:
    if place == inside.root and not member.isdir():
        raise BivyError("the image's / is not a folder")
    if member.isdir():
        if not place.is_dir() or place.is_symlink():
            _remove(place)
            place.mkdir(parents=True)
        folders[place] = member
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove(place)
    if member.issym():
        place.symlink_to(member.linkname)
        os.utime(place, (member.mtime, member.mtime), follow_symlinks=False)
    elif member.islnk():
        target = posixpath.normpath("/" + member.linkname)
        first = inside.outside(posixpath.dirname(target)) / posixpath.basename(target)
        if not os.path.lexists(first):
            raise BivyError(f"/{member.name} in the image is another name of {target}, which is not there")
        os.link(first, place, follow_symlinks=False)
    elif member.isfile():
        content = archive.extractfile(member)
        assert content is not None
        with place.open("xb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        place.chmod(member.mode & 0o7777)
        os.utime(place, (member.mtime, member.mtime))


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        remove_folder(place)
    else:
        place.unlink(missing_ok=True)


def _clear(folder: Path, written: set[Path]) -> None:
    """Remove what lower layers put into a folder; what this layer put there stays."""
    if folder.is_dir():
        for place in folder.iterdir():
            if place not in written:
                _remove(place)
            elif place.is_dir() and not place.is_symlink():
                _clear(place, written)
