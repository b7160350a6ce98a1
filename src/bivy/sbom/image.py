"""An image is read, and what is in it listed; the list becomes an artifact that refers to the image."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import TYPE_CHECKING, Final, Literal

from bivy import __version__
from bivy.alpine import INSTALLED, OS_RELEASE
from bivy.apk.errors import ApkError
from bivy.arch import find_arch
from bivy.errors import BivyError
from bivy.sbom.distributions import is_metadata, list_distributions
from bivy.sbom.listing import Component, Listing, clean, purl_of
from bivy.sbom.packages import Package, System, list_packages, package_of, read_system

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bivy.oci.graph import Node
    from bivy.oci.image import Image
    from bivy.rootfs.tree import Tree

# Raised when the same image is listed otherwise.
GENERATION: Final = 1

Format = Literal["cyclonedx", "spdx"]
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "cyclonedx": "application/vnd.cyclonedx+json",
    "spdx": "application/spdx+json",
}
"""The formats of a list, as media types (IANA's registry)."""
_MADE_BY: Final = "bivy.sbom.generator"
_MOST_BYTES: Final = 16 << 20


def list_image(image: Image, where: str, tree: Tree | None = None) -> Listing:
    """Read an image, and list what is in it.

    Args:
        image: The image.
        where: What it is called where it does not say itself, and in messages.
        tree: What is in it in the end, where that is known: then no layer is read.

    Raises:
        BivyError: A layer is missing or damaged.
    """
    from bivy.oci.image import read_tree

    if tree is None:
        tree = read_tree(image, where, _is_wanted)
    problems: list[str] = []
    arch = arch_of(image)
    system = read_system(tree.read)
    packages = _packages(tree, system, arch[0], problems)
    distributions = list_distributions(tree, arch[1], problems)
    if not distributions:
        problems.append("it has no Python distributions")
    name, version = _name(image, where)
    # purl-spec, types/oci-definition.json
    qualifiers = {"arch": image.config.architecture, **({"tag": version} if version else {})}
    purl = purl_of("oci", None, name.lower(), image.digest, qualifiers)
    return Listing(
        name, version, image.digest, _seconds(image.config.created), in_order((*packages, *distributions)),
        image.digest, purl, tuple(problems),
    )  # fmt: skip


def in_order(components: Iterable[Component]) -> tuple[Component, ...]:
    """Return components in the order of their refs; of two with the same, the first."""
    found: dict[str, Component] = {}
    for each in components:
        found.setdefault(each.ref, each)
    return tuple(found[ref] for ref in sorted(found))


def write_list(listing: Listing, form: Format) -> bytes:
    """Return a list as a document of a format."""
    from bivy.sbom.cyclonedx import as_cyclonedx
    from bivy.sbom.spdx import as_spdx

    return as_spdx(listing) if form == "spdx" else as_cyclonedx(listing)


def write_lists(listing: Listing) -> dict[Format, bytes]:
    """Return a list as a document of every format."""
    return {form: write_list(listing, form) for form in MEDIA_TYPES}


def attachments(image: Image, where: str, tree: Tree | None = None) -> tuple[Node, ...]:
    """Return the list of what is in an image, in each format, as artifacts that refer to it.

    The arguments are those of `list_image`.

    Raises:
        BivyError: A layer is missing or damaged.
    """
    return artifacts_of(image, write_lists(list_image(image, where, tree)))


def artifacts_of(image: Image, documents: Mapping[Format, bytes]) -> tuple[Node, ...]:
    """Return a list that is written as artifacts that refer to an image."""
    from bivy.oci.graph import make_artifact

    made_by = {_MADE_BY: f"bivy {__version__}, {GENERATION}"}
    return tuple(make_artifact(image, MEDIA_TYPES[form], content, made_by) for form, content in documents.items())


def is_attached(layout: Path, digest: str) -> bool:
    """Tell whether a layout has the list of an image, as this bivy makes it, without reading the image."""
    from bivy.oci.layout import find_artifacts

    found = {
        each.artifact_type
        for each in find_artifacts(layout, digest)
        if each.annotations.get(_MADE_BY) == f"bivy {__version__}, {GENERATION}"
    }
    return found >= set(MEDIA_TYPES.values())


def find_attached(node: Node, digest: str, form: Format) -> bytes | None:
    """Return the list that bivy attached to an image when it made it; ``None`` where there is none.

    What was known then cannot all be found out from the image: which patches a recipe had, which wheels an application
    was installed from. Lists of other makers are passed over.

    Args:
        node: What the image's name stands for, with what refers to it.
        digest: The digest of the image's manifest.
        form: The format.

    Raises:
        BivyError: It is there, and cannot be read.
    """
    for each in (referrer for document in node.walk() for referrer in document.referrers):
        own = each.annotations.get(_MADE_BY, "").startswith("bivy ")
        if own and each.subject == digest and each.artifact_type == MEDIA_TYPES[form] and each.blobs:
            return each.blobs[0].read()
    return None


def _is_wanted(path: str, size: int) -> bool:
    return size <= _MOST_BYTES and (path in INSTALLED or path in OS_RELEASE or is_metadata(path))


def _packages(tree: Tree, system: System, arch: str, problems: list[str]) -> tuple[Component, ...]:
    content = next((found for place in INSTALLED if (found := tree.read(place)) is not None), None)
    if content is None:
        problems.append("it has no database of packages (/lib/apk/db/installed)")
        return ()
    return list_packages(tuple(_read_packages(content.decode("utf-8", "replace"), problems)), system, arch)


def _read_packages(text: str, problems: list[str]) -> Iterator[Package]:
    """Yield the packages of a database; one that is damaged is a problem, and hides no other."""
    from bivy.apk.database import read_installed

    for paragraph in text.split("\n\n"):
        try:
            yield from (package_of(each.entry) for each in read_installed(paragraph))
        except ApkError as fault:
            problems.append(f"a package in its database cannot be read: {fault}")


def arch_of(image: Image) -> tuple[str, str]:
    """Return Alpine's name of an image's architecture and what ``uname -m`` says there; its own word where unknown."""
    with contextlib.suppress(BivyError):
        arch = find_arch(image.config.platform)
        return arch.name, arch.machine
    return image.config.architecture, image.config.architecture


def _name(image: Image, where: str) -> tuple[str, str]:
    """Return an image's name and tag."""
    told = clean(image.annotations.get("org.opencontainers.image.title", "") or where)
    # What a person typed may have a path and a digest in it.
    name, _, tag = told.partition("@")[0].rpartition("/")[2].partition(":")
    return name or "image", tag


def _seconds(created: str) -> int:
    """Return a time of RFC 3339 in seconds since 1970; 0 where it is none."""
    try:
        moment = dt.datetime.fromisoformat(re.sub(r"\.\d+", "", created))
        return max(0, int(moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp()))
    except (ValueError, OverflowError):
        return 0
