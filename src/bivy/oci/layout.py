"""Images in a folder: the OCI image layout (image-spec 1.1, image-layout.md)."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bivy.arch import build_machine
from bivy.errors import BivyError, UsageError
from bivy.files import locked, write_whole
from bivy.oci import media
from bivy.oci.blob import Blob, damaged, is_digest
from bivy.oci.config import canonical, parse_config
from bivy.oci.image import Image
from bivy.oci.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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
    return _listed(folder, _read_index(folder).manifests)


def find_image(folder: Path, name: str, platform: str) -> str:
    """Return the digest of an image's manifest, empty where the layout, or the folder, does not have it."""
    try:
        listed = _listed(folder, _named(_read_index(folder).manifests, name))
    except BivyError:
        return ""
    return next((image.digest for image in listed if _same(image.platform, platform)), "")


def read_image(folder: Path, name: str, platform: str = "") -> Image:
    """Read an image; its layers' bytes are read, and checked, when they are asked for.

    Args:
        folder: The layout.
        name: The image's name there; empty where there is just one.
        platform: What it is to be for; empty for the only one, or the one for this machine.

    Raises:
        UsageError: The layout has no such image; the message names those that it has.
        BivyError: The layout is damaged.
    """
    entries = _read_index(folder).manifests
    fitting = _listed(folder, _named(entries, name) if name else entries)
    digests = {image.digest for image in fitting if not platform or _same(image.platform, platform)}
    if len(digests) > 1 and not platform:
        digests = {image.digest for image in fitting if _same(image.platform, build_machine().platform)}
    if len(digests) != 1:
        raise _not_found(folder, name, platform, entries, fitting)
    return open_manifest(folder, digests.pop())


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
    layers = []
    for entry, diff_id, created_by in zip(document.layers, config.diff_ids, config.created_by, strict=True):
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
        entries = list(_read_index(folder).manifests) if (folder / "index.json").exists() else []
        for blob in image.blobs:
            _write_blob(folder, blob)
        write_whole(folder / "oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
        for name in names:
            entries = _with_image(folder, entries, name, image)
        _replace_index(folder, entries)


def remove_image(folder: Path, name: str) -> None:
    """Take a name out of a layout, for all platforms, and the blobs that only it referred to.

    Raises:
        UsageError: The layout has no such name.
    """
    _read_index(folder)
    with locked(folder / "blobs" / ".lock"):
        entries = _read_index(folder).manifests
        named = _named(entries, name)
        if not named:
            raise _not_found(folder, name, "", entries, [])
        _replace_index(folder, [entry for entry in entries if entry not in named])


def _replace_index(folder: Path, entries: Sequence[Descriptor]) -> None:
    ordered = sorted(entries, key=lambda entry: entry.annotations.get(media.REF_NAME, ""))
    write_whole(folder / "index.json", canonical(_index_of(ordered)))
    _collect(folder, ordered)


def _named(entries: Sequence[Descriptor], name: str) -> list[Descriptor]:
    return [entry for entry in entries if entry.annotations.get(media.REF_NAME) == name]


def _listed(folder: Path, entries: Sequence[Descriptor]) -> list[Listed]:
    found = [
        Listed(entry.annotations.get(media.REF_NAME, ""), str(each.platform or ""), each.digest)
        for entry in entries
        for each in _manifests(folder, entry)
    ]
    return sorted(found, key=lambda image: (image.name, image.platform))


def _same(platform: str, other: str) -> bool:
    """Tell whether two platforms are one: arm64 is v8 where nothing else is said (containerd's platforms)."""
    return not platform or platform.removesuffix("/v8") == other.removesuffix("/v8")


def _with_image(folder: Path, entries: list[Descriptor], name: str, image: Image) -> list[Descriptor]:
    """Give an image a name in the entries of an index."""
    config = image.config
    platform = Platform(config.architecture, config.os, config.variant)
    own = Descriptor(media.MANIFEST, image.manifest.digest, image.manifest.size, platform)
    same = _named(entries, name)
    try:
        others = [each for entry in same for each in _manifests(folder, entry) if each.platform != platform]
    except BivyError:
        others = []  # What the name stood for is damaged, and to build it again is what the person was told to do.
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
    path = folder / "index.json"
    return _decode(content, IndexDocument, str(path), hint=f"remove {path} and build or copy its images again")


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
    try:
        found = path.stat().st_size
    except OSError as fault:
        raise damaged(digest, by, f"is missing: {path}: {fault.strerror}") from None
    if size is not None and found != size:
        raise damaged(digest, by, f"was altered: {path} has {found} bytes, not {size}")
    if size is None and found > MOST_MANIFEST_BYTES:
        raise damaged(digest, by, f"is too large for a manifest: {path} has {found} bytes")
    return Blob(digest, found, path, by)


def _write_blob(folder: Path, blob: Blob) -> None:
    path = _blob_path(folder, blob.digest)
    try:
        Blob(blob.digest, blob.size, path).read()
    except BivyError:
        write_whole(path, blob.read())


def _collect(folder: Path, entries: Sequence[Descriptor]) -> None:
    """Remove the blobs that nothing refers to any more; none where it cannot be known what is referred to."""
    used = set()
    waiting = list(entries)
    try:
        while waiting:
            entry = waiting.pop()
            if entry.digest not in used:
                used.add(entry.digest)
                waiting += _referred(folder, entry)
    except BivyError:
        return
    for path in (folder / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in used:
            path.unlink(missing_ok=True)


def _referred(folder: Path, entry: Descriptor) -> Sequence[Descriptor]:
    """Return what a blob refers to."""
    if entry.media_type in media.INDEXES:
        content = _existing_blob(folder, entry.digest, entry.size, "").read()
        return _decode(content, IndexDocument, f"index {entry.digest}").manifests
    if entry.media_type in media.MANIFESTS:
        content = _existing_blob(folder, entry.digest, entry.size, "").read()
        document = _decode(content, ManifestDocument, f"manifest {entry.digest}")
        return (document.config, *document.layers)
    return ()


def _decode(
    content: bytes, kind: type[Document], where: str, *, hint: str = "build or copy the image again"
) -> Document:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise BivyError(f"{where} is damaged: {fault}", hint=hint) from None


def _not_found(
    folder: Path, name: str, platform: str, entries: Sequence[Descriptor], fitting: Sequence[Listed]
) -> UsageError:
    if fitting and name:
        there = ", ".join(sorted({image.platform for image in fitting}))
        wanted = f"for {platform}" if platform else "unless told for which platform"
        return UsageError(f"{folder} has no {name} {wanted}", hint=f"it has it for {there}: name one with --platform")
    names = sorted({named for entry in entries if (named := entry.annotations.get(media.REF_NAME))})
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"is {near[0]} meant? " if near else ""
    hint += f"it has {', '.join(names)}" if names else "it has none: bivy build makes one"
    return UsageError(
        f"{folder} has no image {name!r}" if name else f"{folder} has several images: name one", hint=hint
    )
