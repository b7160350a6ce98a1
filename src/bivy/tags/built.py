"""What is built of an image, and what is to be: every version and kind with its tags and architectures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.arch import find_arch
from bivy.build.graph import Recipes
from bivy.errors import BivyError, UsageError
from bivy.musl.render.summary import flat
from bivy.musl.report import Problem
from bivy.oci.graph import node_of_image, node_of_images
from bivy.oci.layout import list_images, list_names, open_manifest, read_node
from bivy.tags.rules import Edition, assign, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bivy.images.definition import ImageDefinition
    from bivy.oci.graph import Node
    from bivy.oci.image import Image

_VERSION = "org.opencontainers.image.version"
_TITLE = "org.opencontainers.image.title"
# What an image that has not passed its checks yet is called, after its exact tag.
_CANDIDATE = "-unverified"


@dataclass(frozen=True, slots=True)
class Built:
    """An image for one architecture that a layout has.

    Attributes:
        platform: What it is for, as in ``docker --platform``.
        digest: Its manifest's digest.
        size: The compressed bytes of all its layers.
    """

    platform: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Row:
    """One image, for all its architectures, with the tags that are its own.

    Attributes:
        name: The image's name without tag: ``python``.
        edition: Which version and kind it is.
        tags: Its tags, from the most exact to the loosest.
        built: What is built of it, by platform; none where nothing is.
    """

    name: str
    edition: Edition
    tags: tuple[str, ...]
    built: tuple[Built, ...] = ()

    @property
    def exact(self) -> str:
        """Its exact name: ``python:3.14.7-alpine``."""
        return f"{self.name}:{self.edition.exact}"

    @property
    def names(self) -> tuple[str, ...]:
        """All its names, with tags."""
        return tuple(f"{self.name}:{tag}" for tag in self.tags)


@dataclass(frozen=True, slots=True)
class Listing:
    """All images of a definition.

    Attributes:
        rows: The images, the newest first.
        problems: What in the layout could not be read, or is no image of the definition's although it is called so.
    """

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()


def known_versions(definition: ImageDefinition) -> tuple[str, ...]:
    """Return the versions that bivy builds an image in.

    Raises:
        UsageError: A recipe is wrong.
    """
    return Recipes().versions(definition.package)


def candidate(name: str, edition: Edition) -> str:
    """Return what an image is called in a layout until it has passed its checks."""
    return f"{name}:{edition.exact}{_CANDIDATE}"


def list_tags(layout: Path, definition: ImageDefinition, known: Iterable[str]) -> Listing:
    """List what is built of an image in a layout, and what could be from sources, with the tags of each.

    Args:
        layout: The layout.
        definition: The image's definition.
        known: The versions that it can be built in (`known_versions`).

    Raises:
        UsageError: The folder is no layout.
        BivyError: Its index is damaged.
    """
    found: dict[Edition, dict[str, tuple[str, Built]]] = {Edition(version): {} for version in known}
    problems: list[Problem] = []
    # The longest first: an image's exact name is longer than its others, and says which image is meant.
    for name in sorted(list_names(layout), key=lambda name: (-len(name), name)):
        head, _, tag = name.partition(":")
        if head != definition.name or tag.endswith(_CANDIDATE):
            continue
        try:
            listed = list_images(layout, name)
        except BivyError as fault:
            problems.append(_problem(name, fault))
            continue
        for each in listed:
            try:
                image = open_manifest(layout, each.digest)
                edition = edition_of(image, definition.name)
                built = Built(image.config.platform, image.digest, image.size)
                _take(found.setdefault(edition, {}), name, f"{head}:{edition.exact}", built)
            except BivyError as fault:
                problems.append(_problem(f"{name} ({each.platform})" if each.platform else name, fault))
    tags = assign(found, known)
    rows = [
        Row(definition.name, edition, those, tuple(built for _, (_, built) in sorted(found[edition].items())))
        for edition, those in tags.items()
    ]
    return Listing(tuple(rows), tuple(dict.fromkeys(problems)))


def edition_of(image: Image, name: str) -> Edition:
    """Say which version and kind an image is, by what ``bivy build`` writes into its manifest.

    Args:
        image: The image.
        name: What the definition is called.

    Raises:
        UsageError: The manifest does not say, or says what cannot be.
    """
    version = image.annotations.get(_VERSION, "")
    if not version:
        raise UsageError(
            "has no version: its manifest has no annotation org.opencontainers.image.version",
            hint="bivy build writes it; give an image of another maker another name",
        )
    parse_version(version)
    title = image.annotations.get(_TITLE, "")
    kind = re.fullmatch(rf"{re.escape(name)}:[0-9a-z.]+-alpine(3\.[0-9]{{1,3}}|edge)?", title)
    if kind is None:
        raise UsageError(
            f"does not say whether it is from sources or of a release of Alpine's: its title is {title[:80]!r}",
            hint="bivy build writes it; give an image of another maker another name",
        )
    find_arch(image.config.platform)
    return Edition(version, kind[1] or "")


def node_of_row(row: Row, layout: Path) -> Node:
    """Return an image for all its architectures, with the artifacts that are about it.

    It is what its exact name stands for in the layout; where that is not just these images, an index of them.

    Args:
        row: The image; something has to be built of it.
        layout: The layout.

    Raises:
        BivyError: The layout is damaged.
    """
    wanted = {built.digest for built in row.built}
    try:
        node = read_node(layout, row.exact)
    except UsageError:
        pass
    else:
        if {each.digest for each in node.walk() if not each.nodes} == wanted:
            return node
    return node_of_images([node_of_image(open_manifest(layout, built.digest)) for built in row.built])


def built_rows(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the images of which something is built.

    Raises:
        BivyError: There are none.
    """
    those = tuple(row for row in rows if row.built)
    if not those:
        raise BivyError("none of the images is built in that layout", hint="bivy build --all builds them")
    return those


def _take(found: dict[str, tuple[str, Built]], name: str, exact: str, built: Built) -> None:
    """Take an image for its platform; that of the exact name goes before others that say that they are the same."""
    former = found.get(built.platform)
    if former is None or name == exact:
        found[built.platform] = (name, built)
    elif former[0] != exact and former[1].digest != built.digest:
        raise UsageError(
            f"is another image than {former[0]}, and both say that they are {exact}",
            hint=f"build it again: {exact} then says which is meant",
        )


def _problem(subject: str, fault: BivyError) -> Problem:
    return Problem(flat(subject), flat(str(fault)), flat(fault.hint or ""))
