"""What is in an image: its packages, its layers, and what every byte is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.alpine import INSTALLED
from bivy.apk.database import parse_installed
from bivy.apk.entry import Kind
from bivy.oci.layer import apply_changes, read_layer, read_tar
from bivy.rootfs.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.oci.image import Image


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer: its digest, its sizes in bytes before and after compression, its files, and what made it."""

    digest: str
    media_type: str
    size: int
    unpacked: int
    files: int
    created_by: str


@dataclass(frozen=True, slots=True)
class PackageReport:
    """One installed package.

    Attributes:
        name: Its name.
        version: Its version.
        license: Its licence, as SPDX spells it.
        unpacked: Bytes of its files.
        compressed: Its part in the compressed layers, estimated: each file's share of its layer's bytes.
        description: What it is, in one line.
    """

    name: str
    version: str
    license: str
    unpacked: int
    compressed: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file, as a container has it.

    Attributes:
        path: Where it is, relative to the root.
        size: Its bytes.
        layer: The number of the layer that it comes from, 0 for the lowest.
        package: The package that owns it; empty where none does.
    """

    path: str
    size: int
    layer: int
    package: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is in an image.

    Attributes:
        digest: The manifest's digest.
        platform: As in ``docker --platform``.
        size: Compressed bytes of all layers.
        unpacked: Bytes of all files as they are in a container.
        layers: From the lowest.
        packages: The installed ones, largest first.
        unowned: Compressed bytes, estimated, of files that no package owns.
        largest: The largest files, as pairs of path and bytes.
        files: All files, in the order of their paths.
        tree: All that there is, links and folders included.
    """

    digest: str
    platform: str
    size: int
    unpacked: int
    layers: tuple[LayerReport, ...]
    packages: tuple[PackageReport, ...]
    unowned: int
    largest: tuple[tuple[str, int], ...]
    files: tuple[FileReport, ...]
    tree: Tree


def inspect(image: Image, *, largest: int = 10) -> Report:
    """Read all of an image.

    Args:
        image: The image.
        largest: How many of the largest files are named.

    Raises:
        BivyError: A layer or the package database is damaged.
    """
    tree = Tree.of(())
    layers: list[LayerReport] = []
    shares: dict[str, float] = {}
    origin: dict[str, int] = {}
    for number, layer in enumerate(image.layers):
        archive = read_layer(layer)
        changes = read_tar(archive, f"layer {layer.digest}")
        files = {entry.path: len(entry.content) for entry in changes.entries if entry.kind is Kind.FILE}
        added = sum(files.values())
        layers.append(LayerReport(layer.digest, layer.media_type, layer.size, added, len(files), layer.created_by))
        # Each member costs the archive a header of 512 bytes beside its content.
        shares |= {path: (size + 512) * layer.size / (len(archive) or 1) for path, size in files.items()}
        origin |= dict.fromkeys(files, number)
        tree = apply_changes(tree, changes)
    sizes = {path: len(entry.content) for path, entry in tree.entries.items() if entry.kind is Kind.FILE}
    packages, owned = _packages(tree, sizes, shares)
    return Report(
        digest=image.digest,
        platform=image.config.platform,
        size=image.size,
        unpacked=tree.size,
        layers=tuple(layers),
        packages=tuple(sorted(packages, key=lambda package: (-package.compressed, package.name))),
        unowned=round(sum(share for path, share in shares.items() if path in sizes and path not in owned)),
        largest=tuple(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:largest]),
        # A name that outlived the file of which it was another one has that file's content, in its own right.
        files=tuple(
            FileReport(path, size, origin.get(path, len(layers) - 1), owned.get(path, ""))
            for path, size in sizes.items()
        ),
        tree=tree,
    )


def _packages(
    tree: Tree, sizes: Mapping[str, int], shares: Mapping[str, float]
) -> tuple[Sequence[PackageReport], Mapping[str, str]]:
    database = next((content for path in INSTALLED if (content := tree.read(path)) is not None), b"")
    found: list[PackageReport] = []
    owned: dict[str, str] = {}
    for package in parse_installed(database.decode("utf-8", "replace")):
        paths = {
            f"{folder.path}/{file.name}" if folder.path else file.name
            for folder in package.folders
            for file in folder.files
        }
        owned |= dict.fromkeys(paths, package.entry.name)
        found.append(
            PackageReport(
                package.entry.name, package.entry.version, package.entry.license,
                sum(sizes.get(path, 0) for path in paths), round(sum(shares.get(path, 0) for path in paths)),
                package.entry.description,
            )
        )  # fmt: skip
    return found, owned
