"""The list of an image that a person named: the one that is attached to it, or else a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.oci.open import opened, opened_node
from bivy.oci.reference import parse_reference
from bivy.sbom.image import find_attached, list_image, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.progress import Progress
    from bivy.sbom.image import Format


@dataclass(frozen=True, slots=True)
class Found:
    """A list.

    Attributes:
        content: The document.
        problems: What could not be read, for a person.
        attached: Whether it was attached to the image.
    """

    content: bytes
    problems: tuple[str, ...] = ()
    attached: bool = False


def list_named(
    text: str, form: Format, *, layout: Path, platform: str, cache: Path, progress: Progress, scan: bool = False
) -> Found:
    """Return the list of what is in an image.

    Args:
        text: What the person typed.
        form: The format.
        layout: The layout that plain names are in.
        platform: What the image is to be for, as in ``docker --platform``; empty where there is just one.
        cache: bivy's cache folder.
        progress: Who watches what is fetched from a registry.
        scan: Whether the image is read even where a list is attached to it.

    Raises:
        UsageError: There is no such image.
        BivyError: It or the list is damaged, or a registry does not give it.
    """
    with opened(text, layout=layout, platform=platform, cache=cache, progress=progress) as image:
        # Archives have nothing attached, where bivy wrote them, and to unpack one twice takes its time.
        if not scan and parse_reference(text, layout).transport in ("oci", "registry"):
            with opened_node(
                text, layout=layout, platform=image.config.platform, cache=cache, progress=progress
            ) as node:
                content = find_attached(node, image.digest, form)
            if content is not None:
                return Found(content, attached=True)
        listing = list_image(image, text)
        return Found(write_list(listing, form), listing.problems)
