"""A reading that asks somebody else: whether umoci makes the same files of the layers as bivy."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.apk.entry import Kind
from bivy.files import scratch_folder
from bivy.oci import media
from bivy.oci.config import ImageConfig
from bivy.oci.image import make_image
from bivy.oci.layout import write_image
from bivy.verify.readings.registry import CannotBeMadeError, NoSettings, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bivy.oci.image import Image
    from bivy.rootfs.tree import Tree
    from bivy.verify.subject import Subject

_PATIENCE = 300


@reading("umoci", NoSettings, needs="tree")
def umoci(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield where the files that umoci unpacks differ from those that bivy reads; owners are not compared.

    Without root umoci cannot give files to anybody, so all of them are the caller's.
    """
    program = shutil.which("umoci")
    if program is None:
        raise CannotBeMadeError("umoci is not installed")
    with scratch_folder(subject.cache / "work", "umoci-") as scratch:
        write_image(_layers_alone(subject.image), scratch / "layout", ["image"])
        words = [
            program,
            "raw",
            "unpack",
            "--rootless",
            "--image",
            f"{scratch / 'layout'}:image",
            f"{scratch / 'root'}",
        ]
        try:
            done = subprocess.run(words, capture_output=True, timeout=_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise CannotBeMadeError(f"umoci did not end within {_PATIENCE} seconds") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            yield f"umoci does not unpack it: {said[-1] if said else f'it ended with {done.returncode}'}"
            return
        assert subject.tree is not None
        yield from _differences(subject.tree, scratch / "root")


def _layers_alone(image: Image) -> Image:
    """Return an image of the same layers, whose documents are as umoci takes them: those are other checks' matter."""
    layers = [
        replace(layer, media_type=media.LAYER_GZIP) if layer.media_type in media.GZIP_LAYERS else layer
        for layer in image.layers
    ]
    return make_image(ImageConfig("amd64"), layers)


def _differences(tree: Tree, root: Path) -> Iterator[str]:
    found = dict(_walk(root))
    for path in sorted(tree.entries.keys() ^ found.keys()):
        yield f"/{path} is only there as {'bivy' if path in tree.entries else 'umoci'} reads the layers"
    for path, status in found.items():
        entry = tree.entries.get(path)
        if entry is None:
            continue
        original = tree.entries[entry.target] if entry.kind is Kind.HARDLINK else entry
        kind = {stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}.get(stat.S_IFMT(status.st_mode), Kind.FILE)
        place = root / os.fsdecode(os.fsencode(path))
        if kind is not original.kind:
            yield f"/{path} is a {original.kind.value}, for umoci a {kind.value}"
        elif kind is Kind.SYMLINK and str(place.readlink()) != original.target:
            yield f"/{path} leads to {original.target}, for umoci to {place.readlink()}"
        elif kind is not Kind.SYMLINK and stat.S_IMODE(status.st_mode) != original.mode:
            yield f"/{path} has the mode {original.mode:04o}, for umoci {stat.S_IMODE(status.st_mode):04o}"
        elif kind is Kind.FILE and not _same(place, status, original.content):
            yield f"/{path} has another content for umoci"


def _same(place: Path, status: os.stat_result, content: bytes) -> bool:
    if status.st_size != len(content):
        return False
    try:
        return hashlib.sha256(place.read_bytes()).digest() == hashlib.sha256(content).digest()
    except OSError:
        return True  # A file that not even its owner may read, and whose size is right.


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            place = Path(folder, name)
            yield str(place.relative_to(root)), place.lstat()
