"""What image is wanted, where it is made, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bivy.alpine import Release
    from bivy.apk.entry import Entry
    from bivy.apk.package import Package
    from bivy.arch import Arch
    from bivy.oci.image import Image
    from bivy.oci.layer import Compression
    from bivy.rootfs.base import BaseRootfs
    from bivy.source.places import Mirrors


@dataclass(frozen=True, slots=True)
class AlpineRequest:
    """What of Alpine's an image is to consist of, beside bivy's Python.

    Attributes:
        release: The release whose packages are taken.
        mirrors: Where they are to be had, tried in order; none for Alpine's own.
        keys: The folder of the public keys that are trusted; ``None`` for Alpine's own.
        lock: The file that says which packages in which versions: obeyed where it is there, written where it is not.
        base_rootfs: An archive of a root filesystem that the image starts from, instead of packages.
    """

    release: Release
    mirrors: tuple[str, ...] = ()
    keys: Path | None = None
    lock: Path | None = None
    base_rootfs: Path | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What image is wanted.

    Attributes:
        version: A version of Python, or the beginning of one; empty for the default.
        arch: The architecture that it is for.
        compression: How its layers are compressed.
        name: The image's definition.
        alpine: What of Alpine's it is to consist of; ``None`` for what bivy builds from sources alone.
        candidate: What it is called in the layout where it is new there, in the place of its names, which then stay
            where they are; empty for its names.
        cpu: The machine that `arch` was told to be for, which ends the image's names; empty for every machine.
    """

    version: str
    arch: Arch
    compression: Compression = "gzip"
    name: str = "python"
    alpine: AlpineRequest | None = None
    candidate: str = ""
    cpu: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where an image is made.

    Attributes:
        cache: bivy's cache folder.
        output: The layout that it is written to.
        jobs: How many processes may work at once.
        mirrors: Where else sources may be had.
    """

    cache: Path
    output: Path
    jobs: int
    mirrors: Mirrors


@dataclass(frozen=True, slots=True)
class Made:
    """What was made.

    Attributes:
        image: The image, as it is in the layout.
        names: Its names there.
        unchanged: Whether it was there already.
        over: How many bytes it has beyond its budget.
    """

    image: Image
    names: tuple[str, ...]
    unchanged: bool
    over: int = 0


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What an image is put together from.

    Attributes:
        keys: What decides the packages' bytes: for each the digest of what it is built from, or its checksum.
        packages: A function that builds or fetches the packages and returns them in the order of their installation.
        files: Files of the image's that no package has.
        base: The root filesystem that the packages are added to.
    """

    keys: Sequence[str]
    packages: Callable[[], list[Package]]
    files: tuple[Entry, ...] = ()
    base: BaseRootfs | None = None
