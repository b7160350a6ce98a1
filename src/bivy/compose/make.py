"""The whole pipeline, in order: a request becomes an image in a layout."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from bivy import __version__
from bivy.apk.dependency import parse_dependency
from bivy.apk.index import format_index_entry, index_entry
from bivy.apk.package import read_package
from bivy.apk.solve.solver import solve
from bivy.apk.solve.universe import Source, Universe
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.compose.image import compose, over_budget
from bivy.compose.request import Ingredients, Made
from bivy.epoch import source_date_epoch
from bivy.errors import BivyError
from bivy.files import read_noted, write_whole
from bivy.images.definition import load_image
from bivy.progress import under_way

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.apk.package import Package
    from bivy.arch import Arch
    from bivy.build.graph import Node
    from bivy.build.recipe import Recipe
    from bivy.compose.request import Request, Surroundings
    from bivy.images.definition import ImageDefinition
    from bivy.oci.image import Image
    from bivy.progress import Progress

# Changed whenever the code of the rooms behind build/ makes another image of the same packages.
GENERATION = 5


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
    from bivy.sbom.image import attachments, is_attached

    definition = load_image(request.name)
    if request.alpine:
        definition = definition.of_alpine()
    recipes = Recipes()
    python = recipes.find(definition.package, request.version or definition.default)
    facts = _facts(request, python)
    names = tuple(f"{name}-{request.cpu}" if request.cpu else name for name in definition.names(facts))
    if request.alpine:
        from bivy.compose.alpine import from_alpine

        nodes = plan([definition.package], request.arch, recipes, _versions(definition, python))
        ingredients = from_alpine(definition, request, nodes, around, progress)
    else:
        nodes = plan(definition.packages, request.arch, recipes, _versions(definition, python))
        ingredients = _from_sources(definition, nodes, around, progress)
    receipt = around.cache / "images" / f"{_key(definition, ingredients, request.compression)}.json"
    known = read_noted(receipt, _Receipt)
    if known and all(find_image(around.output, name, request.arch.platform) == known.digest for name in names):
        image = _open(around.output, names[0], request.arch)
        if image is not None:
            if not is_attached(around.output, known.digest):
                write_image(image, around.output, names, attachments(image, names[0]))
            return Made(image, names, unchanged=True, over=over_budget(definition, image))
    packages = ingredients.packages()
    if request.candidate:
        names = (request.candidate,)
    with under_way(progress, f"compose {names[0]}"):
        image, tree = compose(
            definition, packages, request, ingredients, facts=facts, cache=around.cache, progress=progress
        )
        write_image(image, around.output, names, attachments(image, names[0], tree))
        write_whole(receipt, msgspec.json.encode(_Receipt(image.digest)))
    return Made(image, names, unchanged=False, over=over_budget(definition, image))


def _from_sources(
    definition: ImageDefinition, nodes: list[Node], around: Surroundings, progress: Progress
) -> Ingredients:
    """Take of the packages that bivy's recipes make those that the definition asks for, and what these need."""

    def packages() -> list[Package]:
        built = build(nodes, cache=around.cache, jobs=around.jobs, mirrors=around.mirrors, progress=progress)
        made = [read_package(path) for paths in built.values() for path in paths]
        by_checksum = {package.checksum: package for package in made}
        text = "\n".join(format_index_entry(index_entry(package)) for package in made)
        world = [parse_dependency(word) for word in definition.packages]
        solution = solve(Universe([Source(text, where="what the recipes make")]), world)
        return [by_checksum[candidate.entry.checksum] for candidate in solution.packages]

    return Ingredients([node.key for node in nodes if node.recipe.data.machine == "target"], packages)


def _versions(definition: ImageDefinition, python: Recipe) -> dict[str, str]:
    """Return the versions that are wanted: what compiles for the image's Python is a Python of the same version."""
    return {definition.package: python.data.version, f"build-{definition.package}": python.data.version}


def _facts(request: Request, python: Recipe) -> dict[str, str]:
    version = python.data.version
    return {
        "version": version,
        "minor": ".".join(version.split(".")[:2]),
        "sha256": python.pins[0].places[0].sha256,
        "release": request.alpine.release.name if request.alpine else "",
    }


def _key(definition: ImageDefinition, ingredients: Ingredients, compression: str) -> str:
    """Digest all that can change the image."""
    parts = {
        "generation": GENERATION,
        "bivy": __version__,
        "epoch": source_date_epoch(),
        "definition": definition,
        "compression": compression,
        "packages": ingredients.keys,
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


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
