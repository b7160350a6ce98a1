"""Images in a folder: the OCI image layout (image-spec 1.1, image-layout.md)."""

from __future__ import annotations

import contextlib
import difflib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from bivy.arch import build_machine
from bivy.errors import BivyError, UsageError
from bivy.files import Look, is_settled, locked, look_of, read_noted, sha256_of, write_whole
from bivy.oci import media
from bivy.oci.blob import Blob, damaged, is_digest
from bivy.oci.config import canonical
from bivy.oci.documents import (
    MOST_MANIFEST_BYTES,
    Descriptor,
    IndexDocument,
    ManifestDocument,
    Platform,
    decode,
    index_of,
    same_platform,
)
from bivy.oci.graph import node_of, with_referrers
from bivy.oci.image import read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bivy.oci.graph import Node
    from bivy.oci.image import Image

_AT_ONCE = 2
_KNOWN = "blobs/.known"
# Smaller ones are read as quickly as they are looked up.
_LARGE = 1 << 16


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


def list_images(folder: Path, name: str | None = None) -> list[Listed]:
    """List the images of a layout, those for several platforms one by one.

    Args:
        folder: The layout.
        name: The name whose images are wanted; ``None`` for all.

    Raises:
        BivyError: The folder is no layout, or a document in it is damaged.
    """
    entries = _read_index(folder).manifests
    return _listed(folder, entries if name is None else _named(entries, name))


def list_names(folder: Path) -> list[str]:
    """List the names in a layout, sorted, of those too whose images are damaged.

    Raises:
        BivyError: The folder is no layout, or its index is damaged.
    """
    return _names(_read_index(folder).manifests)


def find_image(folder: Path, name: str, platform: str) -> str:
    """Return the digest of an image's manifest, empty where the layout, or the folder, does not have it."""
    try:
        listed = _listed(folder, _named(_read_index(folder).manifests, name))
    except BivyError:
        return ""
    return next((image.digest for image in listed if same_platform(image.platform, platform)), "")


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
    digests = {image.digest for image in fitting if not platform or same_platform(image.platform, platform)}
    if len(digests) > 1 and not platform:
        digests = {image.digest for image in fitting if same_platform(image.platform, build_machine().platform)}
    if len(digests) != 1:
        raise _not_found(folder, name, platform, entries, fitting)
    return open_manifest(folder, digests.pop())


def open_manifest(folder: Path, digest: str) -> Image:
    """Read the image whose manifest has a digest.

    Raises:
        BivyError: A blob is missing, or a document in it damaged.
    """
    manifest = _existing_blob(folder, digest, None, f"the index of {folder}")
    return read_manifest(manifest, _finder(folder))


def read_node(folder: Path, name: str, platform: str = "") -> Node:
    """Read all that a name stands for, the images for all its platforms, to be copied elsewhere as it is.

    Args:
        folder: The layout.
        name: The name there; empty where there is just one.
        platform: The one platform that is wanted; empty for all.

    Raises:
        UsageError: The layout has no such name.
        BivyError: The layout is damaged.
    """
    entries = _read_index(folder).manifests
    named = _named(entries, name) if name else [entry for entry in entries if not entry.artifact_type]
    if platform or len({entry.digest for entry in named}) != 1:
        image = read_image(folder, name, platform)
        found = Descriptor(media.MANIFEST, image.digest, image.manifest.size)
    else:
        found = named[0]
    node = node_of(found, f"{folder / 'index.json'}", _finder(folder))
    artifacts = [node_of(entry, "the index", _finder(folder)) for entry in entries if entry.artifact_type]
    return with_referrers(node, artifacts)


def find_artifacts(folder: Path, digest: str) -> tuple[Node, ...]:
    """Return the artifacts that a layout has about an image; those that are damaged, or a layout that is, are left out.

    Args:
        folder: The layout.
        digest: The digest of the image's manifest.
    """
    found = []
    with contextlib.suppress(BivyError):
        for entry in _read_index(folder).manifests:
            if entry.artifact_type:
                with contextlib.suppress(BivyError):
                    found.append(node_of(entry, "the index", _finder(folder)))
    return tuple(each for each in found if each.subject == digest)


def write_image(image: Image, folder: Path, names: Sequence[str], artifacts: Sequence[Node] = ()) -> None:
    """Write an image into a layout under names, beside what is there.

    An image of the same name for another platform stays: the name then stands for both. Blobs are written first and
    the index last, under a lock, so that whoever reads sees the layout as it was or as it will be, and two who write
    at once do not lose each other's images.

    Args:
        image: The image.
        folder: The layout.
        names: What it is called there.
        artifacts: What refers to it, such as a list of what is in it (`bivy.oci.graph.make_artifact`); it stays for as
            long as the image does, and takes the place of one of the same kind about the same image.

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
        known = _read_known(folder)
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # most are there, and to compare their digests takes longest
            list(pool.map(lambda blob: _write_blob(folder, blob, known), image.blobs))
        write_whole(folder / "oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
        for name in names:
            entries = _with_image(folder, entries, name, image)
        for artifact in artifacts:
            for blob in (*artifact.blobs, artifact.document):
                _write_blob(folder, blob)
            entries = [entry for entry in entries if not _is_replaced(folder, entry, artifact)] + [artifact.descriptor]
        _replace_index(folder, entries)
        _write_known(folder, known)


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
    # Artifacts come last: some programs take the first entry for the image.
    ordered = sorted(
        entries, key=lambda entry: (bool(entry.artifact_type), entry.annotations.get(media.REF_NAME, ""), entry.digest)
    )
    images = _reachable(folder, [entry for entry in ordered if not entry.artifact_type])
    if images is not None:
        ordered = [entry for entry in ordered if not entry.artifact_type or _subject(folder, entry) in images]
    write_whole(folder / "index.json", canonical(index_of(ordered)))
    _collect(folder, ordered)


def _is_replaced(folder: Path, entry: Descriptor, artifact: Node) -> bool:
    same = entry.artifact_type == artifact.artifact_type and _subject(folder, entry) == artifact.subject
    return same or entry.digest == artifact.digest


def _subject(folder: Path, entry: Descriptor) -> str:
    """Return the digest of what an artifact is about; empty where it is damaged."""
    try:
        return node_of(entry, "the index", _finder(folder)).subject
    except BivyError:
        return ""


def _named(entries: Sequence[Descriptor], name: str) -> list[Descriptor]:
    return [entry for entry in entries if entry.annotations.get(media.REF_NAME) == name]


def _names(entries: Sequence[Descriptor]) -> list[str]:
    return sorted({name for entry in entries if (name := entry.annotations.get(media.REF_NAME))})


def _listed(folder: Path, entries: Sequence[Descriptor]) -> list[Listed]:
    found = [
        Listed(entry.annotations.get(media.REF_NAME, ""), str(each.platform or ""), each.digest)
        for entry in entries
        if not entry.artifact_type
        for each in _manifests(folder, entry)
    ]
    return sorted(found, key=lambda image: (image.name, image.platform))


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
        blob = Blob.of(canonical(index_of([msgspec.structs.replace(entry, annotations={}) for entry in together])))
        _write_blob(folder, blob)
        own = Descriptor(media.INDEX, blob.digest, blob.size)
    named = msgspec.structs.replace(own, annotations={media.REF_NAME: name})
    return [entry for entry in entries if entry not in same] + [named]


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
    return decode(content, IndexDocument, str(path), hint=f"remove {path} and build or copy its images again")


def _manifests(folder: Path, entry: Descriptor) -> Iterator[Descriptor]:
    """Yield the manifests that an entry of an index stands for, with their platforms."""
    if entry.media_type in media.INDEXES:
        content = _existing_blob(folder, entry.digest, entry.size, f"{folder / 'index.json'}").read()
        inner = decode(content, IndexDocument, f"index {entry.digest}")
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


def _finder(folder: Path) -> Callable[[Descriptor, str], Blob]:
    return lambda entry, by: _existing_blob(folder, entry.digest, entry.size, by)


def _write_blob(folder: Path, blob: Blob, known: dict[str, Look] | None = None) -> None:
    """Write a blob where it is not there as it has to be.

    Args:
        folder: The layout.
        blob: The blob.
        known: What the files of blobs looked like when they were found to be right: one that still does is not read.
    """
    path = _blob_path(folder, blob.digest)
    known = {} if known is None else known
    try:
        there = known.get(blob.digest) == look_of(path.stat()) or f"sha256:{sha256_of(path)}" == blob.digest
    except OSError:
        there = False
    if not there:
        write_whole(path, blob.read())
    known[blob.digest] = look_of(path.stat())


def _read_known(folder: Path) -> dict[str, Look]:
    return read_noted(folder / _KNOWN, dict[str, Look]) or {}


def _write_known(folder: Path, known: dict[str, Look]) -> None:
    """Note what files looked like that were right, but for those that could change without looking otherwise."""
    now = time.time_ns()
    kept = {
        digest: look for digest, look in sorted(known.items())
        if look[0] >= _LARGE and is_settled(look[2], now) and is_digest(digest) and _blob_path(folder, digest).exists()
    }  # fmt: skip
    if kept != _read_known(folder):
        write_whole(folder / _KNOWN, msgspec.json.encode(kept))


def _collect(folder: Path, entries: Sequence[Descriptor]) -> None:
    """Remove the blobs that nothing refers to any more; none where it cannot be known what is referred to."""
    used = _reachable(folder, entries)
    if used is None:
        return
    for path in (folder / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in used:
            path.unlink(missing_ok=True)


def _reachable(folder: Path, entries: Sequence[Descriptor]) -> set[str] | None:
    """Return the digests of all that entries refer to; `None` where something is damaged."""
    used = set()
    waiting = list(entries)
    try:
        while waiting:
            entry = waiting.pop()
            if entry.digest not in used:
                used.add(entry.digest)
                waiting += _referred(folder, entry)
    except BivyError:
        return None
    return used


def _referred(folder: Path, entry: Descriptor) -> Sequence[Descriptor]:
    """Return what a blob refers to."""
    if entry.media_type in media.INDEXES:
        content = _existing_blob(folder, entry.digest, entry.size, "").read()
        return decode(content, IndexDocument, f"index {entry.digest}").manifests
    if entry.media_type in media.MANIFESTS:
        content = _existing_blob(folder, entry.digest, entry.size, "").read()
        document = decode(content, ManifestDocument, f"manifest {entry.digest}")
        return (document.config, *document.layers)
    return ()


def _not_found(
    folder: Path, name: str, platform: str, entries: Sequence[Descriptor], fitting: Sequence[Listed]
) -> UsageError:
    if fitting and name:
        there = ", ".join(sorted({image.platform for image in fitting}))
        wanted = f"for {platform}" if platform else "unless told for which platform"
        return UsageError(f"{folder} has no {name} {wanted}", hint=f"it has it for {there}: name one with --platform")
    names = _names(entries)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"is {near[0]} meant? " if near else ""
    hint += f"it has {', '.join(names)}" if names else "it has none: bivy build makes one"
    return UsageError(
        f"{folder} has no image {name!r}" if name else f"{folder} has several images: name one", hint=hint
    )
