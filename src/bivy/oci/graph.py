"""Documents with all that they refer to, to be copied as they are, and artifacts that refer to images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bivy.errors import BivyError
from bivy.oci import media
from bivy.oci.blob import Blob
from bivy.oci.config import canonical
from bivy.oci.documents import Descriptor, IndexDocument, ManifestDocument, Platform, decode, index_of
from bivy.oci.image import descriptor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bivy.oci.image import Image

# An index may list indexes; nobody makes more than one storey of them.
_DEEPEST = 4
_NOTHING = Blob.of(b"{}")


@dataclass(frozen=True, slots=True)
class Node:
    """A manifest or an index.

    Attributes:
        media_type: Which of them.
        document: Its bytes.
        blobs: What a manifest refers to: its layers and its config.
        nodes: The documents that an index lists.
        platform: What an image is for, where who refers to it says so.
        artifact_type: What an artifact is; empty for images.
        subject: The digest of what an artifact is about.
        annotations: What it says of itself.
        referrers: The artifacts that are about it.
    """

    media_type: str
    document: Blob
    blobs: tuple[Blob, ...] = ()
    nodes: tuple[Node, ...] = ()
    platform: Platform | None = None
    artifact_type: str = ""
    subject: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    referrers: tuple[Node, ...] = ()

    @property
    def digest(self) -> str:
        """The digest of the document."""
        return self.document.digest

    @property
    def descriptor(self) -> Descriptor:
        """What an index says of it."""
        return Descriptor(
            self.media_type, self.digest, self.document.size, self.platform,
            dict(self.annotations) if self.artifact_type else {}, self.artifact_type,
        )  # fmt: skip

    def walk(self) -> Iterator[Node]:
        """Yield it and all documents below it, what is referred to first; artifacts are left out."""
        for node in self.nodes:
            yield from node.walk()
        yield self


def node_of(found: Descriptor, by: str, find: Callable[[Descriptor, str], Blob], *, depth: int = 0) -> Node:
    """Read a document, and those that it lists.

    Args:
        found: What refers to it says of it.
        by: What refers to it, for messages.
        find: Gives the blob of a descriptor; it is also told what refers to it.
        depth: How many documents there are above it.

    Raises:
        BivyError: A document is missing, damaged or of an unknown kind.
    """
    if depth > _DEEPEST:
        raise BivyError(f"{by} lists indexes within indexes, too many of them")
    document = find(found, by)
    if found.media_type in media.INDEXES:
        where = f"index {found.digest}"
        listed = decode(document.read(), IndexDocument, where).manifests
        nodes = tuple(node_of(entry, where, find, depth=depth + 1) for entry in listed)
        return Node(found.media_type, document, nodes=nodes, platform=found.platform)
    if found.media_type not in media.MANIFESTS:
        raise BivyError(f"{by} refers to {found.digest} of the kind {found.media_type}, which is not known")
    where = f"manifest {found.digest}"
    manifest = decode(document.read(), ManifestDocument, where)
    blobs = tuple({entry.digest: find(entry, where) for entry in (*manifest.layers, manifest.config)}.values())
    subject = manifest.subject.digest if manifest.subject else ""
    kind = (manifest.artifact_type or manifest.config.media_type) if subject else ""
    return Node(
        found.media_type, document, blobs, (), found.platform, kind, subject, manifest.annotations or {},
    )  # fmt: skip


def node_of_image(image: Image, referrers: Sequence[Node] = ()) -> Node:
    """Return an image as the documents that it is made of.

    Args:
        image: The image.
        referrers: The artifacts that are about it.
    """
    config = image.config
    platform = Platform(config.architecture, config.os, config.variant)
    blobs = tuple({blob.digest: blob for blob in image.blobs[:-1]}.values())
    kind = decode(image.manifest.read(), ManifestDocument, f"manifest {image.digest}").media_type
    return Node(kind or media.MANIFEST, image.manifest, blobs, platform=platform, referrers=tuple(referrers))


def node_of_images(nodes: Sequence[Node]) -> Node:
    """Return one image as it is, or an index of several, as a layout has it under their common name."""
    if len(nodes) == 1:
        return nodes[0]
    ordered = sorted(nodes, key=lambda node: str(node.platform))
    index = Blob.of(canonical(index_of([replace(node, artifact_type="").descriptor for node in ordered])))
    return Node(media.INDEX, index, nodes=tuple(ordered))


def make_artifact(
    subject: Image, artifact_type: str, content: bytes, annotations: Mapping[str, str] | None = None
) -> Node:
    """Make an artifact about an image, such as a list of what is in it (image-spec 1.1, manifest.md).

    Args:
        subject: The image.
        artifact_type: The media type of the content: ``application/vnd.cyclonedx+json``.
        content: The bytes.
        annotations: What the artifact says of itself.
    """
    blob = Blob.of(content)
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor(media.EMPTY, _NOTHING),
        "layers": [descriptor(artifact_type, blob)],
        "subject": descriptor(node_of_image(subject).media_type, subject.manifest),
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    document = Blob.of(canonical(manifest))
    return Node(
        media.MANIFEST, document, (blob, _NOTHING), artifact_type=artifact_type, subject=subject.digest,
        annotations=annotations or {},
    )  # fmt: skip


def with_referrers(node: Node, artifacts: Sequence[Node]) -> Node:
    """Return a document that knows, as all below it, which of some artifacts are about it."""
    return replace(
        node,
        nodes=tuple(with_referrers(each, artifacts) for each in node.nodes),
        referrers=tuple(artifact for artifact in artifacts if artifact.subject == node.digest),
    )


def platforms_of(node: Node) -> tuple[str, ...]:
    """Return what the images are for, as in ``docker --platform``, as far as it is said."""
    return tuple(str(each.platform) for each in node.walk() if each.platform)
