"""``bivy build --all``: images are built into a layout, and each is given its tags once it has passed its checks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bivy.compose.make import make_image
from bivy.errors import BivyError
from bivy.oci.layout import list_names, remove_image, write_image
from bivy.tags.built import candidate, edition_of
from bivy.tags.move import FAULTS, move_tags, not_moved
from bivy.tags.rules import assign

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bivy.compose.request import Request, Surroundings
    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.tags.move import Moved
    from bivy.tags.rules import Edition
    from bivy.verify.check import Check


def build_all(
    wanted: Mapping[Edition, Request],
    known: Iterable[str],
    around: Surroundings,
    progress: Progress,
    *,
    checks: Sequence[Check] | None = None,
) -> tuple[Moved, ...]:
    """Build images into a layout, and give each its tags there once it has passed its checks.

    One that does not pass stays there under its exact name with ``-unverified`` after it, to be looked at.

    Args:
        wanted: What is built.
        known: The versions that an image can be built in.
        around: Where it is built.
        progress: Who watches.
        checks: What is checked; ``None`` for all of bivy's own checks.
    """
    return tuple(
        _build(edition, tags, wanted[edition], around, progress, checks)
        for edition, tags in assign(wanted, known).items()
    )


def _build(
    edition: Edition, tags: Iterable[str], request: Request, around: Surroundings, progress: Progress,
    checks: Sequence[Check] | None,
) -> Moved:  # fmt: skip
    names = tuple(f"{request.name}:{tag}" for tag in tags)
    try:
        image = make_image(request, around, progress).image
    except FAULTS as fault:
        return not_moved(names[0], names, fault)
    return name_image(image, request.name, edition, names, around, progress, checks=checks)


def name_image(
    image: Image, name: str, edition: Edition, names: Sequence[str], around: Surroundings, progress: Progress,
    *, checks: Sequence[Check] | None = None,
) -> Moved:  # fmt: skip
    """Give an image that is in a layout as a candidate its names there, once it has passed its checks.

    Args:
        image: The image.
        name: The image's name without tag.
        edition: Which version and kind it is.
        names: The names.
        around: Where the layout and the cache are.
        progress: Who watches.
        checks: What is checked; ``None`` for all of bivy's own checks.
    """
    layout, waiting = around.output, candidate(name, edition)

    def move() -> str:
        if edition_of(image, name) != edition:
            raise BivyError(f"what was built is not {names[0]} but {edition_of(image, name).exact}")
        write_image(image, layout, names)
        if waiting in list_names(layout):
            remove_image(layout, waiting)
        return image.digest

    moved = move_tags(
        names[0], names, lambda: (image,), move, cache=around.cache, progress=progress, checks=checks
    )  # fmt: skip
    kept = waiting if not moved.done and waiting in list_names(layout) else ""
    return replace(moved, kept=kept)
