"""Packages become an image: which is in which layer, the trees, the database, the config."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

from bivy import __version__
from bivy.apk.dependency import name_of
from bivy.epoch import source_date_epoch
from bivy.sbom.licences import spell_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.apk.package import Package
    from bivy.compose.request import Ingredients, Request
    from bivy.images.definition import ImageDefinition
    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.rootfs.tree import Tree


def compose(
    definition: ImageDefinition,
    packages: Sequence[Package],
    request: Request,
    ingredients: Ingredients,
    *,
    facts: Mapping[str, str],
    cache: Path,
    progress: Progress,
) -> tuple[Image, Tree]:
    """Put packages together to an image; return it, and what is in it in the end.

    Args:
        definition: What the image is to be.
        packages: The packages, in the order of their installation.
        request: The architecture and the compression.
        ingredients: What else there is to put together.
        facts: The version and the digest of its source.
        cache: bivy's cache folder, where scripts run.
        progress: Who watches.

    Raises:
        BivyError: Two packages have one file, or a script failed.
    """
    from bivy.oci.config import ImageConfig
    from bivy.oci.image import make_image as image_of
    from bivy.oci.layer import layer_from_tree
    from bivy.rootfs.disk import memory_folder
    from bivy.rootfs.install import database_tree, install_root
    from bivy.rootfs.scripts import run_scripts
    from bivy.rootfs.tree import Tree, merge, normalise

    epoch = source_date_epoch()
    base = ingredients.base
    groups = assign_layers(definition, packages)
    root = install_root([group for _, group in groups], base)
    position = {package.info.name: number for number, package in enumerate(packages)}
    root = replace(root, packages=tuple(sorted(root.packages, key=lambda package: position[package.info.name])))
    scripted = run_scripts(
        root.trees, root.packages, arch=request.arch, epoch=epoch,
        scratch=memory_folder(sum(tree.size for tree in root.trees)) or cache / "work",
        below=base.packages if base else (), progress=progress,
    )  # fmt: skip
    root = replace(root, trees=scripted.trees, packages=scripted.packages)
    world = (*definition.packages, *(base.world if base else ()))
    last = merge(
        database_tree(root, world, request.arch.name), [*scripted.changes.entries.values(), *ingredients.files]
    )
    names = [*(["the base root filesystem"] if base else []), *(_title(name, group) for name, group in groups)]
    names.append(
        "apk: the database of installed packages" + (", what scripts made" if scripted.changes.entries else "")
    )
    layers = [
        layer_from_tree(
            normalise(tree, epoch),
            compression=request.compression,
            created_by=f"bivy build: {name}",
            cache=cache / "layers",
        )
        for tree, name in zip((*root.trees, last), names, strict=True)
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
        "org.opencontainers.image.licenses": _licenses(
            [
                *(record.installed.entry.license for record in root.below),
                *(package.info.license for package in root.packages),
            ]
        ),
        "org.opencontainers.image.vendor": f"bivy {__version__}",
    }
    whole = Tree({path: entry for tree in (*root.trees, last) for path, entry in tree.entries.items()})
    return image_of(config, layers, annotations), whole


def _title(name: str, group: Sequence[Package]) -> str:
    return f"{name}: {' '.join(package.info.name for package in group)}"


def over_budget(definition: ImageDefinition, image: Image) -> int:
    """Return how many bytes an image has beyond its definition's budget, which is for gzip and linux/amd64 alone."""
    from bivy.oci import media

    counts = image.config.platform == "linux/amd64" and all(x.media_type in media.GZIP_LAYERS for x in image.layers)
    return max(0, image.size - definition.budget) if counts else 0


def assign_layers(definition: ImageDefinition, packages: Sequence[Package]) -> list[tuple[str, list[Package]]]:
    """Say which packages are in which layer: those that it asks for, and what they need that no layer below has.

    What nobody asks for, but a package's ``install_if`` brings in, goes to the last layer but one. A layer without
    packages is left out: an image's base has what it asks for.
    """
    providers: dict[str, Package] = {}
    for package in packages:
        for name in (package.info.name, *map(name_of, package.info.provides)):
            providers.setdefault(name, package)
    assigned: set[str] = set()
    groups: list[tuple[str, list[Package]]] = []
    for layer in definition.layers:
        asked = list(layer.packages)
        for name in layer.needed_by:
            asked += providers[name].info.depends if name in providers else ()
        group = []
        while asked:
            needed = asked.pop(0)
            found = None if needed.startswith("!") else providers.get(name_of(needed))
            if found is not None and found.info.name not in assigned:
                assigned.add(found.info.name)
                group.append(found)
                asked += found.info.depends
        groups.append((layer.name, group))
    _, place = groups[-2:][0]
    place += (package for package in packages if package.info.name not in assigned)
    return [(name, sorted(group, key=lambda package: package.info.name)) for name, group in groups if group]


def _licenses(found: Iterable[str]) -> str:
    """Join the licences of packages to one SPDX expression (SPDX 2.3, annex D.4)."""
    spelled = set(map(spell_words, found))
    return " AND ".join(sorted(f"({each})" if " OR " in each else each for each in spelled))
