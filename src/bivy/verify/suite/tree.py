"""The tests of a version of CPython, from its pinned source, as a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bivy.build.recipe import RECIPES, load_recipe, select_version
from bivy.errors import BivyError, UsageError
from bivy.files import locked, scratch_folder
from bivy.progress import under_way
from bivy.source.fetch import fetch
from bivy.source.places import Mirrors
from bivy.source.unpack import unpack

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.progress import Progress

FOLDER = "suite"
"""The folder below the cache's."""


def unpacked_tests(version: str, *, cache: Path, progress: Progress) -> Path:
    """Return the folder of the tests of a version.

    Args:
        version: The version, ``3.14.7``.
        cache: bivy's cache folder, where the source and the folder are kept.
        progress: Who watches.

    Raises:
        UsageError: bivy knows no source of that version.
        BivyError: The source cannot be had, or has no tests.
    """
    folder = RECIPES / "python"
    try:
        recipe = select_version(load_recipe(folder), folder, version)
    except UsageError as fault:
        raise UsageError(
            f"the image has Python {version}, of which bivy has no source, and so no tests", hint=fault.hint
        ) from None
    pin = recipe.pins[0]
    place = cache / FOLDER / f"tests-{pin.places[0].sha256}"
    with locked(cache / "locks" / place.name):
        if not place.is_dir():
            archive = fetch([pin], cache=cache, mirrors=Mirrors(), progress=progress)[pin]
            with under_way(progress, f"unpack the tests of {pin}"), scratch_folder(place.parent, ".tests-") as scratch:
                unpack(archive, scratch / "source")
                tests = scratch / "source" / "Lib" / "test"
                if not tests.is_dir():
                    raise BivyError(f"{archive}: the source of {pin} has no Lib/test")
                tests.rename(place)
    return place
