"""Packages become an image: which is in which layer, the trees, the database, the config."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from bivy import __version__
from bivy.apk.database import database_entries
from bivy.build.workshop import source_date_epoch
from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.apk.package import Package
    from bivy.compose.request import Ingredients, Request
    from bivy.images.definition import ImageDefinition
    from bivy.oci.image import Image


def compose(
    definition: ImageDefinition,
    available: Sequence[Package],
    request: Request,
    *,
    facts: Mapping[str, str],
    ingredients: Ingredients,
) -> Image:
    """Put packages together to an image.

    Args:
        definition: What the image is to be.
        available: The packages to choose from.
        request: The architecture and the compression.
        facts: The version and the digest of its source.
        ingredients: What else there is to put together.

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
    name = dependency
    for sign in "<>=~":
        name = name.partition(sign)[0]
    if name not in providers:
        raise BivyError(
            f"{by} needs {dependency}, which no package provides",
            hint="a recipe's depends, or the image's definition, names something that no recipe makes",
        )
    return providers[name]
