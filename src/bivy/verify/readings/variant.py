"""Readings of what the variant promises: nothing in it but what Python needs, and no larger than it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bivy.apk.entry import Kind
from bivy.errors import UsageError
from bivy.images.definition import ImageDefinition, load_image
from bivy.oci import media
from bivy.verify.paths import matches
from bivy.verify.readings.registry import CannotBeMadeError, Except, NoSettings, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bivy.verify.subject import Subject


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Programs that the image is not to have, by a pattern of their paths."""

    path: str
    what: str


class Absent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files the image promises not to have."""

    files: tuple[Tool, ...]
    allowed: tuple[Except, ...] = ()


@reading("absent", Absent, needs="tree")
def absent(subject: Subject, settings: Absent) -> Iterator[str]:
    """Yield the files that the image promises not to have."""
    for path, entry in subject.entries.items():
        if entry.kind is Kind.DIRECTORY or any(matches(path, each.path) for each in settings.allowed):
            continue
        tool = next((tool for tool in settings.files if matches(path, tool.path)), None)
        if tool:
            yield f"/{path}: {tool.what}"


@reading("budget", NoSettings, needs="image")
def budget(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield that the layers are larger than the image's definition allows."""
    definition = definition_of(subject)
    if _says(subject, "ID", "alpine"):
        definition = definition.of_alpine()
    image = subject.image
    if image.config.platform != "linux/amd64":
        raise CannotBeMadeError(f"the budget is for linux/amd64, and the image for {image.config.platform}")
    if any(layer.media_type not in media.GZIP_LAYERS for layer in image.layers):
        raise CannotBeMadeError("the budget is for layers compressed by gzip, and it has others")
    if image.size > definition.budget:
        over = image.size - definition.budget
        yield f"its layers have {image.size:,} bytes, {over:,} more than the budget of {definition.budget:,}"


def definition_of(subject: Subject) -> ImageDefinition:
    """Return the definition of an image: by its title, or that of Python's where it says that it is one on Alpine.

    Raises:
        CannotBeMadeError: It is none of bivy's.
    """
    title = subject.image.annotations.get("org.opencontainers.image.title", "").partition(":")[0]
    name = title or ("python" if _is_python(subject) else "")
    try:
        if name:
            return load_image(name)
    except UsageError:
        pass
    raise CannotBeMadeError("there is no definition of it in bivy's images/, and so no budget")


def _is_python(subject: Subject) -> bool:
    """Tell whether an image without a title is a Python on Alpine, as docker saves the official one."""
    alpine = _says(subject, "ID", "alpine") or _says(subject, "ID_LIKE", "alpine")
    return alpine and "PYTHON_VERSION" in subject.image.config.variables


def _says(subject: Subject, key: str, word: str) -> bool:
    """Tell whether an image's os-release(5) has a word under a key."""
    lines = (subject.text("etc/os-release") or "").splitlines()
    return any(line.startswith(f"{key}=") and word in line.partition("=")[2].strip("\"'").split() for line in lines)
