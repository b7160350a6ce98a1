"""Images in a folder: the OCI image layout (image-spec 1.1, image-layout.md)."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from bivy.errors import BivyError, UsageError
from bivy.files import locked, write_whole
from bivy.oci import media
from bivy.oci.blob import Blob, is_digest
from bivy.oci.config import canonical, parse_config
from bivy.oci.image import Image
from bivy.oci.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# A manifest is JSON of some kilobytes; a registry takes at most 4 MiB (distribution-spec 1.1).
MOST_MANIFEST_BYTES = 4 << 20


class Platform(msgspec.Struct, frozen=True):
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


class IndexDocument(msgspec.Struct, frozen=True, rename="camel"):
    """An image index (image-spec 1.1, image-index.md)."""

    schema_version: int
    manifests: tuple[Descriptor, ...]


class ManifestDocument(msgspec.Struct, frozen=True, rename="camel"):
    """An image manifest (image-spec 1.1, manifest.md)."""

    schema_version: int
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """An image that a layout has.

    Attributes:
        name: Its name there, empty where it has none.
        platform: What it is for, as in ``docker --platform``; empty where the layout does not say.
        digest: Its manifest's digest.
    """

    name: str
    platform: str
    digest: str


def list_images(folder: Path) -> list[Listed]:
    """List the images of a layout, those for several platforms one by one.

    Raises:
        BivyError: The folder is no layout, or a document in it is damaged.
    """
    found = []
    for entry in _read_index(folder).manifests:
        name = entry.annotations.get(media.REF_NAME, "")
        found += [Listed(name, str(each.platform or ""), each.digest) for each in _manifests(folder, entry)]
    return sorted(found, key=lambda image: (image.name, image.platform))


def find_image(folder: Path, name: str, platform: str) -> str:
    """Return the digest of an image's manifest, empty where the layout, or the folder, does not have it."""
    try:
        listed = list_images(folder)
    except BivyError:
        return ""
    return next((image.digest for image in listed if (image.name, image.platform) == (name, platform)), "")


def read_image(folder: Path, name: str, platform: str = "") -> Image:
    """Read an image; its layers' bytes are read, and checked, when they are asked for.

    Args:
        folder: The layout.
        name: The image's name there; empty where there is just one.
        platform: What it is to be for; empty where there is just one.

    Raises:
        UsageError: The layout has no such image; the message names those that it has.
        BivyError: The layout is damaged.
    """
    listed = list_images(folder)
    fitting = [image for image in listed if not name or image.name == name]
    chosen = [image for image in fitting if not platform or image.platform in (platform, "")]
    digests = {image.digest for image in chosen}
    if len(digests) != 1:
        raise _not_found(folder, name, platform, listed, fitting)
    return open_manifest(folder, chosen[0].digest)


def open_manifest(folder: Path, digest: str) -> Image:
    """Read the image whose manifest has a digest.

    Raises:
        BivyError: A blob is missing, or a document in it damaged.
    """
    manifest = _existing_blob(folder, digest, None, f"the index of {folder}")
    content = manifest.read()
    document = _decode(content, ManifestDocument, f"manifest {digest}")
    config_blob = _existing_blob(folder, document.config.digest, document.config.size, f"manifest {digest}")
    config = parse_config(config_blob.read())
    if len(config.diff_ids) != len(document.layers):
        raise BivyError(f"manifest {digest} has {len(document.layers)} layers, its config {len(config.diff_ids)}")
    steps = [step.created_by for step in config.history if not step.empty_layer]
    steps += [""] * (len(document.layers) - len(steps))
    layers = []
    for entry, diff_id, created_by in zip(document.layers, config.diff_ids, steps, strict=False):
        if entry.media_type not in media.LAYERS:
            raise BivyError(f"manifest {digest}: {entry.media_type} is not a kind of layer that is known")
        blob = _existing_blob(folder, entry.digest, entry.size, f"manifest {digest}")
        layers.append(Layer(entry.media_type, blob, diff_id, created_by))
    annotations = document.annotations or {}
    return Image(config, tuple(layers), annotations, config_blob=config_blob, manifest=manifest)


def write_image(image: Image, folder: Path, names: Sequence[str]) -> None:
    """Write an image into a layout under names, beside what is there.

    An image of the same name for another platform stays: the name then stands for both. Blobs are written first and
    the index last, under a lock, so that whoever reads sees the layout as it was or as it will be, and two who write
    at once do not lose each other's images.

    Raises:
        BivyError: The folder holds something else than a layout.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "oci-layout").exists() and any(folder.iterdir()) and not (folder / "blobs").is_dir():
        others = ", ".join(sorted(path.name for path in folder.iterdir())[:3])
        raise UsageError(
            f"{folder} is not an OCI layout, and not empty: it has {others}", hint="name another with --output"
        )
    with locked(folder / "blobs" / ".lock"):
        for blob in image.blobs:
            _write_blob(folder, blob)
        write_whole(folder / "oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
        entries = list(_read_index(folder).manifests) if (folder / "index.json").exists() else []
        for name in names:
            entries = _with_image(folder, entries, name, image)
        entries.sort(key=lambda entry: entry.annotations.get(media.REF_NAME, ""))
        write_whole(folder / "index.json", canonical(_index_of(entries)))
        _collect(folder, entries)


def _with_image(folder: Path, entries: list[Descriptor], name: str, image: Image) -> list[Descriptor]:
    """Give an image a name in the entries of an index."""
    config = image.config
    platform = Platform(config.architecture, config.os, config.variant)
    own = Descriptor(media.MANIFEST, image.manifest.digest, image.manifest.size, platform)
    same = [entry for entry in entries if entry.annotations.get(media.REF_NAME) == name]
    others = [
        manifest for entry in same for manifest in _manifests(folder, entry) if manifest.platform != platform
    ]  # fmt: skip
    if others:
        together = sorted([*others, own], key=lambda entry: str(entry.platform))
        blob = Blob.of(canonical(_index_of([msgspec.structs.replace(entry, annotations={}) for entry in together])))
        _write_blob(folder, blob)
        own = Descriptor(media.INDEX, blob.digest, blob.size)
    named = msgspec.structs.replace(own, annotations={media.REF_NAME: name})
    return [entry for entry in entries if entry not in same] + [named]


def _index_of(entries: Sequence[Descriptor]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": media.INDEX,
        "manifests": [msgspec.to_builtins(entry) for entry in entries],
    }


def _read_index(folder: Path) -> IndexDocument:
    try:
        content = (folder / "index.json").read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"{folder} is not an OCI layout: it has no index.json", hint="bivy build makes one in dist/"
        ) from None
    except OSError as fault:
        raise BivyError(f"{folder}: {fault.strerror}") from None
    document: IndexDocument = _decode(content, IndexDocument, f"{folder / 'index.json'}")
    return document


def _manifests(folder: Path, entry: Descriptor) -> Iterator[Descriptor]:
    """Yield the manifests that an entry of an index stands for, with their platforms."""
    if entry.media_type in media.INDEXES:
        content = _existing_blob(folder, entry.digest, entry.size, f"{folder / 'index.json'}").read()
        inner = _decode(content, IndexDocument, f"index {entry.digest}")
        yield from (each for each in inner.manifests if each.media_type in media.MANIFESTS)
    elif entry.platform is None:
        # Other tools leave the platform out where there is one image: its config says it.
        config = open_manifest(folder, entry.digest).config
        yield msgspec.structs.replace(entry, platform=Platform(config.architecture, config.os, config.variant))
    else:
        yield entry


def _blob_path(folder: Path, digest: str) -> Path:
    if not is_digest(digest):
        raise BivyError(f"{folder}: {digest!r} is not a digest that bivy knows")
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _existing_blob(folder: Path, digest: str, size: int | None, by: str) -> Blob:
    path = _blob_path(folder, digest)
    hint = "the layout is damaged: build or copy the image again"
    try:
        found = path.stat().st_size
    except OSError:
        raise BivyError(f"{folder}: blob {digest} is missing, which {by} refers to", hint=hint) from None
    if size is not None and found != size:
        raise BivyError(f"{folder}: blob {digest} has {found} bytes, but {by} says {size}", hint=hint)
    if size is None and found > MOST_MANIFEST_BYTES:
        raise BivyError(f"{folder}: {digest} has {found} bytes, too many for a manifest", hint=hint)
    return Blob(digest, found, path)


def _write_blob(folder: Path, blob: Blob) -> None:
    path = _blob_path(folder, blob.digest)
    try:
        Blob(blob.digest, blob.size, path).read()
    except BivyError:
        write_whole(path, blob.read())


def _collect(folder: Path, entries: Sequence[Descriptor]) -> None:
    """Remove the blobs that nothing refers to any more."""
    used = set()
    waiting = list(entries)
    while waiting:
        entry = waiting.pop()
        if entry.digest in used:
            continue
        used.add(entry.digest)
        content = _blob_path(folder, entry.digest)
        if entry.media_type in media.INDEXES:
            waiting += _decode(content.read_bytes(), IndexDocument, entry.digest).manifests
        elif entry.media_type in media.MANIFESTS:
            document = _decode(content.read_bytes(), ManifestDocument, entry.digest)
            waiting += [document.config, *document.layers]
    for path in (folder / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in used:
            path.unlink(missing_ok=True)


def _decode(content: bytes, kind: type[Any], where: str) -> Any:  # noqa: ANN401 - what `kind` says
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise BivyError(f"{where} is damaged: {fault}", hint="build or copy the image again") from None


def _not_found(folder: Path, name: str, platform: str, listed: list[Listed], fitting: list[Listed]) -> UsageError:
    if fitting and name:
        there = ", ".join(sorted({image.platform for image in fitting}))
        wanted = f"for {platform}" if platform else "unless told for which platform"
        return UsageError(f"{folder} has no {name} {wanted}", hint=f"it has it for {there}: name one with --platform")
    names = sorted({image.name for image in listed if image.name})
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"is {near[0]} meant? " if near else ""
    hint += f"it has {', '.join(names)}" if names else "it has none: bivy build makes one"
    return UsageError(
        f"{folder} has no image {name!r}" if name else f"{folder} has several images: name one", hint=hint
    )
