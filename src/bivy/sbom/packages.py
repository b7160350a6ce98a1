"""The packages of an image's database, as a list of its content names them."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.alpine import os_release
from bivy.apk.dependency import name_of
from bivy.errors import BivyError
from bivy.sbom.listing import Component, Patch, Place, Source, address, purl_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bivy.apk.index import IndexEntry
    from bivy.build.graph import Recipes
    from bivy.build.recipe import Recipe

OWN: Final = "bivy"
"""The namespace of bivy's own packages in their package URLs, and what its ``os-release`` calls the system."""
_DEBIAN: Final = "https://deb.debian.org/debian/"


class Package(msgspec.Struct, frozen=True):
    """A package, as far as it is listed; the fields are those of `bivy.apk.index.IndexEntry`."""

    name: str
    version: str
    license: str = ""
    origin: str = ""
    arch: str = ""
    checksum: str = ""
    commit: str = ""
    description: str = ""
    url: str = ""
    maintainer: str = ""
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()


class System(msgspec.Struct, frozen=True):
    """What an image's ``os-release`` says it is (os-release(5)): ``alpine`` and ``3.24.1``; empty where it does not."""

    name: str = ""
    version: str = ""

    def __str__(self) -> str:
        """Spell it as package URLs have it: ``alpine-3.24.1``."""
        return "-".join(filter(None, (self.name, self.version)))


def package_of(entry: IndexEntry) -> Package:
    """Return a package of a database or an index."""
    return Package(
        entry.name, entry.version, entry.license, entry.origin, entry.arch, entry.checksum, entry.commit,
        entry.description, entry.url, entry.maintainer, entry.depends, entry.provides,
    )  # fmt: skip


def read_system(read: Callable[[str], bytes | None]) -> System:
    """Read an ``os-release``; the argument is that of `bivy.alpine.os_release`."""
    words = os_release(read)
    return System(*(re.sub(r"[^\w.~+-]", "", words.get(key, "").strip()) for key in ("ID", "VERSION_ID")))


def list_packages(packages: Sequence[Package], system: System, arch: str) -> tuple[Component, ...]:
    """Return packages as components, each with the packages that it depends on.

    Args:
        packages: The packages of one image.
        system: What the image is.
        arch: Alpine's name of its architecture, for packages that do not say theirs.
    """
    from bivy.build.graph import Recipes

    recipes = Recipes()
    made = [_recipe(package, recipes) for package in packages]
    refs = [_ref(package, system, arch, own=recipe is not None) for package, recipe in zip(packages, made, strict=True)]
    providers = {package.name: ref for package, ref in zip(packages, refs, strict=True)}
    for package, ref in zip(packages, refs, strict=True):
        for provided in package.provides:
            providers.setdefault(name_of(provided), ref)
    return tuple(_component(*each, providers) for each in zip(packages, refs, made, strict=True))


def _recipe(package: Package, recipes: Recipes) -> Recipe | None:
    """Return the recipe that made a package; none for what Alpine built, which says the commit that it was built from.

    Alpine's own version of it may well be the same.
    """
    if package.commit:
        return None
    try:
        recipe = recipes.find(package.name, re.sub(r"-r\d+$", "", package.version))
    except BivyError:
        return None
    return recipe if recipe.version == package.version and package.origin in ("", recipe.name) else None


def _ref(package: Package, system: System, arch: str, *, own: bool) -> str:
    """Return a package URL, or what else names it where there can be none (purl-spec, types/apk-definition.json).

    What bivy built is not Alpine's package of that name: it has other patches and is built otherwise, and what is known
    of faults in Alpine's, by their revisions, says nothing of it.
    """
    vendor = OWN if own else (system.name if system.name != OWN or not package.commit else "") or "alpine"
    qualifiers = {"arch": package.arch or arch}
    if vendor == system.name:
        qualifiers["distro"] = str(system)
    if package.origin and package.origin != package.name:
        qualifiers["upstream"] = package.origin
    return purl_of("apk", vendor, package.name, package.version, qualifiers) or f"apk:{package.name}@{package.version}"


def _component(package: Package, ref: str, recipe: Recipe | None, providers: dict[str, str]) -> Component:
    needed = {providers.get(name_of(each)) for each in package.depends if not each.startswith("!")}
    facts = {"bivy:apk:checksum": package.checksum, "bivy:apk:commit": package.commit,
             "bivy:apk:origin": package.origin if package.origin != package.name else ""}  # fmt: skip
    return Component(
        ref=ref, kind="package", name=package.name, version=package.version,
        purl=ref if ref.startswith("pkg:") else "", license=package.license,
        summary=package.description, homepage=address(package.url),
        supplier=package.maintainer or (OWN if recipe else ""),
        facts=tuple((name, text) for name, text in facts.items() if text),
        sources=sources_of(recipe) if recipe else (), needs=tuple(sorted(filter(None, needed - {ref}))),
    )  # fmt: skip


def sources_of(recipe: Recipe) -> tuple[Source, ...]:
    """Return what a recipe's packages are compiled from; small files of the recipe's own are not listed."""
    return tuple(
        Source(
            source.name, source.version or recipe.data.version,
            tuple(Place(place.url or _DEBIAN + place.debian, place.sha256) for place in source.places),
            tuple(_patches(recipe, source.patches)),
        )
        for source in recipe.data.sources
    )  # fmt: skip


def _patches(recipe: Recipe, names: Iterable[str]) -> Iterator[Patch]:
    for name in names:
        content = (recipe.folder / name).read_bytes()
        sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        yield Patch(name, sha1, hashlib.sha256(content).hexdigest(), content.decode("utf-8", "replace"))
