"""The documents that an image is made up of, as far as they say what refers to what (image-spec 1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bivy.errors import BivyError
from bivy.oci import media

if TYPE_CHECKING:
    from collections.abc import Sequence

# A manifest is JSON of some kilobytes; a registry takes at most 4 MiB (distribution-spec 1.1).
MOST_MANIFEST_BYTES = 4 << 20

Document = TypeVar("Document")


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    """The platform in a descriptor."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        """Spell it as in ``docker --platform``."""
        return f"{self.os}/{self.architecture}" + (f"/{self.variant}" if self.variant else "")


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a document says of bytes that it refers to (image-spec 1.1, descriptor.md)."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] = {}
    artifact_type: str = ""


class IndexDocument(msgspec.Struct, frozen=True, rename="camel"):
    """An image index (image-spec 1.1, image-index.md)."""

    schema_version: int
    manifests: tuple[Descriptor, ...]
    media_type: str = ""


class ManifestDocument(msgspec.Struct, frozen=True, rename="camel"):
    """An image manifest (image-spec 1.1, manifest.md)."""

    schema_version: int
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None
    media_type: str = ""
    artifact_type: str = ""
    subject: Descriptor | None = None


def same_platform(platform: str, other: str) -> bool:
    """Tell whether two platforms are one: arm64 is v8 where nothing else is said (containerd's platforms)."""
    return not platform or platform.removesuffix("/v8") == other.removesuffix("/v8")


def index_of(entries: Sequence[Descriptor]) -> dict[str, Any]:
    """Make the document that lists some manifests."""
    return {
        "schemaVersion": 2,
        "mediaType": media.INDEX,
        "manifests": [msgspec.to_builtins(entry) for entry in entries],
    }


def decode(
    content: bytes, kind: type[Document], where: str, *, hint: str = "build or copy the image again"
) -> Document:
    """Read a document.

    Args:
        content: Its bytes.
        kind: What it has to be.
        where: What it is called, for messages.
        hint: What to do where it is damaged.

    Raises:
        BivyError: It is not one.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise BivyError(f"{where} is damaged: {fault}", hint=hint) from None
