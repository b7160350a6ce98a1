"""A list of everything in a project's image: what `bivy.sbom` lists, and what only the project knows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from bivy import __version__
from bivy.app.distributions import Component as Distribution
from bivy.files import write_whole
from bivy.sbom.image import GENERATION, MEDIA_TYPES, in_order, write_lists
from bivy.sbom.listing import Component, Listing, purl_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bivy.app.base import Base
    from bivy.app.layers import Kept
    from bivy.app.values import Project
    from bivy.arch import Arch
    from bivy.sbom.image import Format
    from bivy.sbom.packages import Package


def list_content(
    project: Project, name: str, base: Base, packages: Sequence[Package], layers: Sequence[Kept], arch: Arch,
    epoch: int, cache: Path,
) -> dict[Format, bytes]:  # fmt: skip
    """Return the list in each format; it is written once for the same content.

    It names what is installed, not the project's files: so it stays the same as long as only code changes.

    Args:
        project: The project.
        name: The image's name.
        base: What the image stands on.
        packages: The Alpine packages in it.
        layers: The layers on top of the base.
        arch: The architecture.
        epoch: The time that it says it was made, in seconds since 1970.
        cache: bivy's cache folder.
    """
    distributions = list(_distributions(layers))
    parts = [
        GENERATION, __version__, project.name, project.version, project.metadata.license, project.metadata.summary,
        project.metadata.requires, name, base.digest, packages, distributions, arch.name, epoch,
    ]  # fmt: skip
    key = hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
    places = {form: cache / "app" / "lists" / f"{key}.{form}.json" for form in MEDIA_TYPES}
    try:
        return {form: place.read_bytes() for form, place in places.items()}
    except OSError:
        lists = write_lists(_list(project, name, base, packages, distributions, arch, epoch, key))
        for form, place in places.items():
            write_whole(place, lists[form])
        return lists


def _distributions(layers: Iterable[Kept]) -> Iterator[Distribution]:
    for kept in layers:
        try:
            yield from msgspec.json.decode(kept.content, type=list[Distribution])
        except msgspec.ValidationError:
            continue


def _list(
    project: Project, name: str, base: Base, packages: Sequence[Package], distributions: Sequence[Distribution],
    arch: Arch, epoch: int, key: str,
) -> Listing:  # fmt: skip
    from bivy.sbom.packages import list_packages

    added = {each.name: _distribution(each) for each in distributions}
    found = {each.name: each for each in base.listed} | added
    for each in distributions:
        needs = sorted(found[other].ref for other in each.requires if other in found)
        found[each.name] = replace(found[each.name], needs=tuple(needs))
    own = _own(project, [found[each.name].ref for each in distributions if each.asked])
    system = list_packages(packages, base.system, arch.name)
    return Listing(
        name.partition(":")[0], name.rpartition(":")[2], key, epoch,
        in_order((own, *found.values(), *system, _first_process())),
    )  # fmt: skip


def _own(project: Project, needs: Iterable[str]) -> Component:
    return Component(
        ref="project", kind="program", name=project.name, version=project.version,
        purl=purl_of("generic", None, project.name, project.version), license=project.metadata.license,
        summary=project.metadata.summary, needs=tuple(sorted(needs)),
    )  # fmt: skip


def _distribution(each: Distribution) -> Component:
    from bivy.musl.dependencies.settings import without_credentials

    purl = purl_of("pypi", None, each.name, each.version)
    return Component(
        ref=purl, kind="distribution", name=each.name, version=each.version, purl=purl, license=each.license,
        sha256=each.sha256, url=without_credentials(each.url) if each.url else "",
    )  # fmt: skip


def _first_process() -> Component:
    from bivy.app.system import RECIPE
    from bivy.build.recipe import RECIPES, load_recipe

    data = load_recipe(RECIPES / RECIPE)
    purl = purl_of("generic", None, RECIPE, data.version)
    return Component(
        ref=purl, kind="program", name=RECIPE, version=data.version, purl=purl, license=data.license,
        summary=data.description,
    )  # fmt: skip
