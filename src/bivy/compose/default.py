"""bivy's own image of a Python, made where nobody has made it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bivy.images.definition import load_image
from bivy.oci.layout import find_image

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.arch import Arch
    from bivy.progress import Progress


def default_reference(python: str) -> str:
    """Return the name of the image that bivy builds for a Python; empty is the default one's."""
    definition = load_image("python")
    return f"{definition.name}:{python or definition.default}-alpine"


def build_default(python: str, arch: Arch, *, cache: Path, output: Path, jobs: int, progress: Progress) -> None:
    """Build bivy's own image of a Python into a layout, where it is not there yet.

    Raises:
        BivyError: It cannot be built.
    """
    name = default_reference(python)
    if find_image(output, name, arch.platform):
        return
    from bivy.compose.make import make_image
    from bivy.compose.request import Request, Surroundings
    from bivy.source.places import mirrors_told

    progress.say(f"there is no {name} for {arch.platform} in {output} yet: it is built first")
    make_image(Request(python, arch), Surroundings(cache, output, jobs, mirrors_told(())), progress)
