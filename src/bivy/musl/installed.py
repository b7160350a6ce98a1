"""What is installed in an environment: a virtual environment, a ``site-packages`` folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import Distribution
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution as an environment has it.

    Attributes:
        name: Its name.
        version: Its version.
        for_musl: Whether it was installed from a wheel for musl.
        own: Whether it came from a folder or an address, not from an index (PEP 610).
    """

    name: str
    version: str
    for_musl: bool
    own: bool


def read_installed(folder: Path) -> tuple[Installed, ...]:
    """Read what is installed in a folder, from the ``.dist-info`` folders that installers leave (PEP 376, PEP 427).

    One whose metadata cannot be read is left out.

    Args:
        folder: A ``site-packages`` folder, or one that has some below it.
    """
    from importlib.metadata import distributions

    places = [folder] if any(folder.glob("*.dist-info")) else sorted(folder.rglob("site-packages"))
    return tuple(_read(distributions(path=[str(place) for place in places])))


def _read(found: Iterable[Distribution]) -> Iterator[Installed]:
    for distribution in found:
        try:
            name, version = distribution.metadata["Name"], distribution.metadata["Version"]
            tags, origin = distribution.read_text("WHEEL") or "", distribution.read_text("direct_url.json")
        except (OSError, UnicodeDecodeError):
            continue
        if name and version:
            yield Installed(name, version, "musllinux" in tags, own=origin is not None)
