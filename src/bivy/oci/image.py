"""An image: a config, layers and annotations, and what follows from them; changed by making another one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bivy.errors import BivyError
from bivy.oci import media
from bivy.oci.blob import Blob
from bivy.oci.config import History, ImageConfig, canonical, format_config, parse_config
from bivy.oci.documents import ManifestDocument, decode
from bivy.oci.layer import Layer, apply_changes, read_layer, read_tar
from bivy.rootfs.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bivy.oci.documents import Descriptor


@dataclass(frozen=True, slots=True)
class Image:
    """An image for one platform.

    Attributes:
        config: How it starts and what it is for.
        layers: Its layers, from the lowest.
        annotations: What its manifest says of it.
        config_blob: The config's bytes, as they are named in the manifest.
        manifest: The manifest's bytes.
    """

    config: ImageConfig
    layers: tuple[Layer, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    config_blob: Blob = field(kw_only=True)
    manifest: Blob = field(kw_only=True)

    @property
    def digest(self) -> str:
        """The digest of the manifest, which is the image's."""
        return self.manifest.digest

    @property
    def size(self) -> int:
        """The compressed bytes of all layers: what a client transfers."""
        return sum(layer.size for layer in self.layers)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All its bytes, in the order in which they may be written: what is referred to first."""
        return (*(layer.blob for layer in self.layers), self.config_blob, self.manifest)


def read_tree(
    image: Image, where: str = "the image", wanted: Callable[[str, int], bool] = lambda _path, _size: True
) -> Tree:
    """Return what is in an image, in the end.

    Args:
        image: The image.
        where: What it is called, for messages.
        wanted: Tells of a file, by its path and its size in bytes, whether its content is read; else it has none.

    Raises:
        BivyError: A layer is damaged, or does not fit those below it.
    """
    tree = Tree.of(())
    for number, layer in enumerate(image.layers, 1):
        tree = apply_changes(tree, read_tar(read_layer(layer), f"layer {number} of {where}", wanted))
    return tree


def make_image(config: ImageConfig, layers: Sequence[Layer], annotations: Mapping[str, str] | None = None) -> Image:
    """Make an image of layers; the config's ``diff_ids`` and history are filled in from them."""
    history = tuple(History(layer.created_by, config.created) for layer in layers)
    return _assemble(replace(config, history=history), layers, annotations or {})


def add_layer(image: Image, layer: Layer) -> Image:
    """Return an image with one more layer on top; the history of those below stays."""
    history = (*image.config.history, History(layer.created_by, image.config.created))
    return _assemble(replace(image.config, history=history), (*image.layers, layer), image.annotations)


def with_config(image: Image, config: ImageConfig, annotations: Mapping[str, str]) -> Image:
    """Return an image of the same layers that starts in another way; its history stays."""
    return _assemble(replace(config, history=image.config.history), image.layers, annotations)


def read_manifest(manifest: Blob, find: Callable[[Descriptor, str], Blob]) -> Image:
    """Read the image that a manifest stands for.

    Args:
        manifest: The manifest.
        find: Gives the blob of a descriptor; it is also told what refers to it.

    Raises:
        BivyError: A blob is missing, or a document damaged.
    """
    where = f"manifest {manifest.digest}"
    document = decode(manifest.read(), ManifestDocument, where)
    config_blob = find(document.config, where)
    for entry in document.layers:
        if entry.media_type not in media.LAYERS:
            raise BivyError(f"{where}: {entry.media_type} is not a kind of layer that is known")
    config = parse_config(config_blob.read())
    if len(config.diff_ids) != len(document.layers):
        raise BivyError(f"{where} has {len(document.layers)} layers, its config {len(config.diff_ids)}")
    layers = tuple(
        Layer(entry.media_type, find(entry, where), diff_id, created_by)
        for entry, diff_id, created_by in zip(document.layers, config.diff_ids, config.created_by, strict=True)
    )
    return Image(config, layers, document.annotations or {}, config_blob=config_blob, manifest=manifest)


def _assemble(config: ImageConfig, layers: Sequence[Layer], annotations: Mapping[str, str]) -> Image:
    config = replace(config, diff_ids=tuple(layer.diff_id for layer in layers))
    blob = Blob.of(format_config(config))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "config": descriptor(media.CONFIG, blob),
        "layers": [descriptor(layer.media_type, layer.blob) for layer in layers],
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    return Image(config, tuple(layers), dict(annotations), config_blob=blob, manifest=Blob.of(canonical(manifest)))


def descriptor(media_type: str, blob: Blob) -> dict[str, Any]:
    """Describe some bytes for who refers to them (image-spec 1.1, descriptor.md)."""
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}
