"""An image is checked: the readings of its bytes here, the programs in one sandbox, and all of it becomes a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.verify.check import Check
    from bivy.verify.report import Report


def verify(
    image: Image,
    checks: Sequence[Check] | None = None,
    *,
    where: str,
    cache: Path,
    without: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check an image.

    Args:
        image: The image.
        checks: What is checked; ``None`` for all of bivy's own checks.
        where: What the person calls the image.
        cache: bivy's cache folder.
        without: Checks that are left out, by name, each with the reason.
        progress: Who watches.

    Raises:
        BivyError: A manifest or config is damaged.
    """
    raise NotImplementedError
