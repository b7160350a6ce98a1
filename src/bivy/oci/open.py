"""An image, wherever it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bivy.files import scratch_folder
from bivy.oci.archive import archived_node, read_archive
from bivy.oci.layout import read_image, read_node
from bivy.oci.reference import parse_reference
from bivy.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bivy.oci.graph import Node
    from bivy.oci.image import Image
    from bivy.progress import Progress


@contextlib.contextmanager
def opened(text: str, *, layout: Path, platform: str, cache: Path, progress: Progress | None = None) -> Iterator[Image]:
    """Open the image that a person named; it can be read as long as the block lasts.

    Args:
        text: What the person typed.
        layout: The layout that plain names are in.
        platform: What it is to be for, as in ``docker --platform``; empty where there is just one.
        cache: bivy's cache folder; archives are unpacked below it, for as long, and what comes from registries is kept
            there.
        progress: Who watches what is fetched from a registry.

    Raises:
        UsageError: There is no such image.
        BivyError: It is damaged, or a registry does not give it.
    """
    reference = parse_reference(text, layout)
    if reference.transport == "registry":
        from bivy.oci.registry.name import parse_name
        from bivy.oci.registry.pull import pull_image
        from bivy.oci.registry.session import Session

        with Session(parse_name(reference.name)) as session:
            yield pull_image(session, platform, cache=cache, progress=progress or Silent())
        return
    if reference.transport == "oci":
        # A name without a tag means nothing special here: layouts made by bivy have no latest.
        yield read_image(reference.path, reference.name, platform)
        return
    with scratch_folder(cache / "work", "archive-") as scratch:
        yield read_archive(reference.path, reference.name, platform, scratch)


@contextlib.contextmanager
def opened_node(
    text: str, *, layout: Path, platform: str, cache: Path, progress: Progress | None = None
) -> Iterator[Node]:
    """Open all that a name stands for, the images for all its platforms, to be copied elsewhere as it is.

    The arguments are those of `opened`; without a platform it is all of them that are wanted.

    Raises:
        UsageError: There is no such image.
        BivyError: It is damaged, or a registry does not give it.
    """
    reference = parse_reference(text, layout)
    if reference.transport == "registry":
        from bivy.oci.registry.name import parse_name
        from bivy.oci.registry.pull import pull_node
        from bivy.oci.registry.session import Session

        with Session(parse_name(reference.name)) as session:
            yield pull_node(session, platform, cache=cache, progress=progress or Silent())
    elif reference.transport == "oci":
        yield read_node(reference.path, reference.name, platform)
    else:
        with scratch_folder(cache / "work", "archive-") as scratch:
            yield archived_node(reference.path, reference.name, platform, scratch)
