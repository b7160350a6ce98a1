"""An image's definition becomes an image: the whole pipeline, in order."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from bivy import __version__
from bivy.apk.database import database_entries
from bivy.apk.dependency import name_of
from bivy.apk.package import read_package
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.build.workshop import source_date_epoch
from bivy.errors import BivyError
from bivy.files import write_whole
from bivy.images.definition import load_image
from bivy.progress import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.apk.package import Package
    from bivy.arch import Arch
    from bivy.build.graph import Node
    from bivy.images.definition import ImageDefinition
    from bivy.oci.image import Image
    from bivy.oci.layer import Compression
    from bivy.progress import Progress
    from bivy.source.places import Mirrors

# Changed whenever the code of the rooms behind build/ makes another image of the same packages.
GENERATION = 1


@dataclass(frozen=True, slots=True)
class Request:
    """What image is wanted.

    Attributes:
        version: A version of Python, or the beginning of one; empty for the default.
        arch: The architecture that it is for.
        compression: How its layers are compressed.
        name: The image's definition.
    """

    version: str
    arch: Arch
    compression: Compression = "gzip"
    name: str = "python"


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
    """

    image: Image
    names: tuple[str, ...]
    unchanged: bool


class _Receipt(msgspec.Struct, frozen=True):
    """What was made last time from the same inputs."""

    digest: str


def make_image(request: Request, around: Surroundings, progress: Progress) -> Made:
    """Make an image and write it into a layout, or find that it is there.

    Raises:
        UsageError: The version or a recipe is not known or wrong.
        BivyError: Something could not be fetched, built, put together or written.
    """
    from bivy.oci.layout import find_image, write_image

    definition = load_image(request.name)
    recipes = Recipes()
    python = recipes.find(definition.package, request.version or definition.default)
    nodes = plan(definition.packages, request.arch, recipes, {definition.package: python.data.version})
    names = definition.names(_facts(python.data.version, ""))
    receipt = around.cache / "images" / f"{_key(definition, nodes, request.compression)}.json"
    digest = _read_receipt(receipt)
    if digest and all(find_image(around.output, name, request.arch.platform) == digest for name in names):
        image = _open(around.output, names[0], request.arch)
        if image is not None:
            return Made(image, names, unchanged=True)
    packages = build(nodes, cache=around.cache, jobs=around.jobs, mirrors=around.mirrors, progress=progress)
    task = f"compose {names[0]}"
    progress.begin(task)
    image = compose(
        definition, [read_package(path) for paths in packages.values() for path in paths], request,
        facts=_facts(python.data.version, python.pins[0].places[0].sha256),
    )  # fmt: skip
    write_image(image, around.output, names)
    write_whole(receipt, msgspec.json.encode(_Receipt(image.digest)))
    progress.end(task, Outcome.DONE)
    return Made(image, names, unchanged=False)


def compose(
    definition: ImageDefinition, available: Sequence[Package], request: Request, *, facts: Mapping[str, str]
) -> Image:
    """Put packages together to an image.

    Args:
        definition: What the image is to be.
        available: The packages to choose from.
        request: The architecture and the compression.
        facts: The version and the digest of its source.

    Raises:
        BivyError: A package that is wanted, or that another one needs, is not among those available.
    """
    from bivy.oci.config import ImageConfig
    from bivy.oci.image import make_image as image_of
    from bivy.oci.layer import layer_from_tree
    from bivy.rootfs.install import install
    from bivy.rootfs.tree import Tree, normalise

    groups = assign_layers(definition, available)
    chosen = [package for _, group in groups for package in group]
    trees = install([group for _, group in groups])
    names = [f"{name}: {' '.join(p.info.name for p in group)}" for name, group in groups]
    trees.append(Tree.of(database_entries(chosen, definition.packages, request.arch.name)))
    names.append("apk: the database of installed packages")
    epoch = source_date_epoch()
    layers = [
        layer_from_tree(normalise(tree, epoch), compression=request.compression, created_by=f"bivy build: {name}")
        for tree, name in zip(trees, names, strict=True)
    ]
    created = dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = ImageConfig(
        architecture=request.arch.oci, variant=request.arch.variant, created=created,
        env=definition.environment(dict(facts)), cmd=definition.config.command,
    )  # fmt: skip
    annotations = {
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.title": definition.names(dict(facts))[0],
        "org.opencontainers.image.description": definition.description,
        "org.opencontainers.image.version": facts["version"],
        "org.opencontainers.image.url": definition.url,
        "org.opencontainers.image.licenses": _licenses(chosen),
        "org.opencontainers.image.vendor": f"bivy {__version__}",
    }
    return image_of(config, layers, annotations)


def assign_layers(definition: ImageDefinition, available: Sequence[Package]) -> list[tuple[str, list[Package]]]:
    """Choose the packages of each layer: those asked for, and what they need that no layer below has.

    Raises:
        BivyError: Something that is needed is not available; the message says by whom.
    """
    providers: dict[str, Package] = {}
    for package in available:
        for name in (package.info.name, *(provided.partition("=")[0] for provided in package.info.provides)):
            providers.setdefault(name, package)
    assigned: set[str] = set()
    groups = []
    for layer in definition.layers:
        asked = [(name, "the image's definition") for name in layer.packages]
        for name in layer.needed_by:
            package = _provider(providers, name, "the image's definition")
            asked += [(needed, name) for needed in package.info.depends]
        group = []
        while asked:
            needed, by = asked.pop(0)
            if needed.startswith("!"):
                continue
            package = _provider(providers, needed, by)
            if package.info.name not in assigned:
                assigned.add(package.info.name)
                group.append(package)
                asked += [(name, package.info.name) for name in package.info.depends]
        groups.append((layer.name, sorted(group, key=lambda package: package.info.name)))
    return groups


def _licenses(packages: Sequence[Package]) -> str:
    """Join the licences of packages to one SPDX expression (SPDX 2.3, annex D.4)."""
    found = {package.info.license for package in packages}
    return " AND ".join(sorted(f"({each})" if " OR " in each else each for each in found))


def _provider(providers: Mapping[str, Package], dependency: str, by: str) -> Package:
    name = name_of(dependency)
    if name not in providers:
        raise BivyError(
            f"{by} needs {dependency}, which no package provides",
            hint="a recipe's depends, or the image's definition, names something that no recipe makes",
        )
    return providers[name]


def _facts(version: str, sha256: str) -> dict[str, str]:
    return {"version": version, "minor": ".".join(version.split(".")[:2]), "sha256": sha256}


def _key(definition: ImageDefinition, nodes: Iterable[Node], compression: str) -> str:
    """Digest all that can change the image."""
    parts = {
        "generation": GENERATION,
        "bivy": __version__,
        "epoch": source_date_epoch(),
        "definition": definition,
        "compression": compression,
        "packages": [node.key for node in nodes if node.recipe.data.machine == "target"],
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _read_receipt(path: Path) -> str:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Receipt).digest
    except (OSError, msgspec.MsgspecError):
        return ""


def _open(output: Path, name: str, arch: Arch) -> Image | None:
    """Open the image in the layout; where it is damaged, say nothing: it will be made again."""
    from bivy.oci.layout import read_image

    try:
        image = read_image(output, name, arch.platform)
        for blob in image.blobs:
            blob.read()
    except BivyError:
        return None
    return image
