"""An image's definition: its versions, what is in its layers, its environment and command, read from a file."""

from __future__ import annotations

import difflib
from pathlib import Path

import msgspec

from bivy.errors import UsageError
from bivy.tables import convert, parse, read_text

IMAGES = Path(__file__).parent


class LayerDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One layer.

    Attributes:
        name: What people call it.
        packages: The packages that were asked for, which go into ``/etc/apk/world``.
        needed_by: Packages of later layers whose dependencies are in this one.
    """

    name: str
    packages: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()


class ConfigDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a container of the image starts."""

    command: tuple[str, ...]
    environment: dict[str, str] = {}


class Only(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What only some versions have: those that are, or begin with, one of `versions`."""

    versions: tuple[str, ...]
    environment: dict[str, str] = {}


class AlpineDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is different where the image consists of Alpine's own packages."""

    budget: int
    tags: tuple[str, ...]
    description: str
    layers: tuple[LayerDefinition, ...]


class ImageDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An image's file, key by key; docs/images.md says what each means."""

    name: str
    package: str
    default: str
    tags: tuple[str, ...]
    description: str
    url: str
    budget: int
    layers: tuple[LayerDefinition, ...]
    config: ConfigDefinition
    alpine: AlpineDefinition
    only: tuple[Only, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that were asked for, in all layers."""
        return tuple(name for layer in self.layers for name in layer.packages)

    def environment(self, facts: dict[str, str]) -> tuple[str, ...]:
        """Return the environment as ``NAME=value``.

        Args:
            facts: What ``{version}``, ``{minor}`` and ``{sha256}`` stand for.
        """
        variables = dict(self.config.environment)
        for part in self.only:
            if any(f"{facts['version']}.".startswith(f"{version}.") for version in part.versions):
                variables |= part.environment
        return tuple(f"{name}={value.format_map(facts)}" for name, value in variables.items())

    def names(self, facts: dict[str, str]) -> tuple[str, ...]:
        """Return the names that the image gets in a layout: ``python:3.14-alpine``."""
        return tuple(f"{self.name}:{tag.format_map(facts)}" for tag in self.tags)

    def of_alpine(self) -> ImageDefinition:
        """Return the definition of the same image made of Alpine's own packages."""
        own = self.alpine
        return msgspec.structs.replace(
            self, budget=own.budget, tags=own.tags, description=own.description, layers=own.layers
        )


def load_image(name: str, folder: Path = IMAGES) -> ImageDefinition:
    """Read the definition of an image.

    Raises:
        UsageError: There is none of that name, or its file is wrong.
    """
    path = folder / f"{name}.toml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.toml"))
        near = difflib.get_close_matches(name, known, n=1)
        raise UsageError(
            f"there is no image {name!r}", hint=f"is {near[0]!r} meant?" if near else f"there are {', '.join(known)}"
        )
    text = read_text(path)
    return convert(path, text, parse(path, text), ImageDefinition, what="the definition")
