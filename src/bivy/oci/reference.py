"""What a person calls an image: a name in a layout, a layout or archive by its path, or one in a registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bivy.errors import UsageError
from bivy.oci.registry.name import names_a_host, parse_name

Transport = Literal["oci", "oci-archive", "docker-archive", "registry"]

_FORMS = "python:3.14-alpine, oci:DIR:NAME, oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], HOST/NAME:TAG"
# distribution-spec 1.1, "Pulling manifests", for repositories and tags.
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is.

    Attributes:
        transport: What kind of place.
        path: The layout or the archive; not for registries.
        name: The image's name there; empty for the only one.
    """

    transport: Transport
    path: Path
    name: str


def parse_reference(text: str, layout: Path) -> Reference:
    """Parse what a person typed.

    Args:
        text: A REF, as the command line's help has it.
        layout: The layout that plain names are in.

    Raises:
        UsageError: It is none.
    """
    transports: tuple[Transport, ...] = ("oci-archive", "docker-archive", "oci")
    for transport in transports:
        rest = text.removeprefix(f"{transport}:")
        if rest != text:
            place, _, name = rest.partition(":")
            if not place:
                break
            return Reference(transport, Path(place), name)
    if text.startswith("docker://"):
        parse_name(text)
        return Reference("registry", Path(), text.removeprefix("docker://"))
    if text.startswith((".", "/")) or (Path(text) / "index.json").is_file() or text.endswith(".tar"):
        path = Path(text)
        return Reference("oci" if path.is_dir() else "oci-archive", path, "")
    if names_a_host(text):
        parse_name(text)
        return Reference("registry", Path(), text)
    if _NAME.fullmatch(text):
        return Reference("oci", layout, text)
    raise UsageError(f"{text!r} is not a reference to an image", hint=f"it may be {_FORMS}")


def loaded_name(text: str, layout: Path) -> str:
    """Return what docker and podman are to call an image that a person named; empty where it has no name.

    A name without a tag gets ``latest``, as docker has it; one by digest alone is none that could be given.

    Raises:
        UsageError: It is no reference.
    """
    reference = parse_reference(text, layout)
    name = str(parse_name(reference.name)) if reference.transport == "registry" else reference.name
    name, _, digest = name.partition("@")
    if ":" in name.rpartition("/")[2]:
        return name
    return f"{name}:latest" if name and not digest else ""
