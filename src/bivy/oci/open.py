"""An image, wherever it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bivy.errors import UsageError
from bivy.files import scratch_folder
from bivy.oci.archive import read_archive
from bivy.oci.layout import read_image
from bivy.oci.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bivy.oci.image import Image


@contextlib.contextmanager
def opened(text: str, *, layout: Path, platform: str, cache: Path) -> Iterator[Image]:
    """Open the image that a person named; it can be read as long as the block lasts.

    Args:
        text: What the person typed.
        layout: The layout that plain names are in.
        platform: What it is to be for, as in ``docker --platform``; empty where there is just one.
        cache: bivy's cache folder; archives are unpacked below it, for as long.

    Raises:
        UsageError: There is no such image.
        BivyError: It is damaged.
    """
    reference = parse_reference(text, layout)
    if reference.transport == "registry":
        raise UsageError(
            f"{reference.name} is in a registry, and bivy does not read registries yet",
            hint="skopeo copy docker://… oci:DIR:NAME brings it here",
        )
    if reference.transport == "oci":
        # A name without a tag means nothing special here: layouts made by bivy have no latest.
        yield read_image(reference.path, reference.name, platform)
        return
    with scratch_folder(cache / "work", "archive-") as scratch:
        yield read_archive(reference.path, reference.name, platform, scratch)
