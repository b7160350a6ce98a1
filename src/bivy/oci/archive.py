"""An image in one file: an OCI layout as a tar archive, or what ``docker load`` reads."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bivy.errors import BivyError, UsageError
from bivy.files import replacing
from bivy.oci import media
from bivy.oci.blob import Blob, digest_of
from bivy.oci.config import canonical, parse_config
from bivy.oci.image import Image, descriptor
from bivy.oci.layer import Layer, read_layer
from bivy.oci.layout import read_image

if TYPE_CHECKING:
    from collections.abc import Iterator

# More files than an image's layout has by far.
MOST_MEMBERS = 10_000


def write_archive(image: Image, path: Path, name: str, form: str) -> None:
    """Write an image into one file, whole or not at all; the same image gives the same bytes.

    Args:
        image: The image.
        path: The file.
        name: The image's name in it: ``python:3.14-alpine``.
        form: ``oci-archive`` or ``docker-archive``.
    """
    members = _oci_members(image, name) if form == "oci-archive" else _docker_members(image, name)
    with replacing(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member_name, content in members:
            member = tarfile.TarInfo(member_name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def read_archive(path: Path, name: str, platform: str, scratch: Path) -> Image:
    """Read an image from an archive, of either kind.

    Args:
        path: The file.
        name: The image's name in it; empty where there is just one.
        platform: What it is to be for; empty where there is just one.
        scratch: A folder to unpack into, which must outlive the image.

    Raises:
        BivyError: The file is not such an archive, or a damaged one.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        with path.open("rb") as file:
            _unpack(file, folder, path)
    except OSError as fault:
        raise UsageError(f"{path}: {fault.strerror}") from None
    if (folder / "index.json").is_file():
        return read_image(folder, name, platform)
    if (folder / "manifest.json").is_file():
        return _read_docker(folder, name, path)
    raise BivyError(f"{path} is neither an OCI archive nor a docker archive: it has no index.json and no manifest.json")


def _oci_members(image: Image, name: str) -> Iterator[tuple[str, bytes]]:
    entry = {**descriptor(media.MANIFEST, image.manifest), "annotations": {media.REF_NAME: name}}
    config = image.config
    entry["platform"] = {"architecture": config.architecture, "os": config.os}
    if config.variant:
        entry["platform"]["variant"] = config.variant
    yield "oci-layout", canonical({"imageLayoutVersion": "1.0.0"})
    yield "index.json", canonical({"schemaVersion": 2, "mediaType": media.INDEX, "manifests": [entry]})
    for blob in sorted({blob.digest: blob for blob in image.blobs}.values(), key=lambda blob: blob.digest):
        yield f"blobs/sha256/{blob.digest.removeprefix('sha256:')}", blob.read()


def _docker_members(image: Image, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield what ``docker load`` reads (moby's image specification v1.2: manifest.json, config, layers)."""
    config = f"{image.config_blob.digest.removeprefix('sha256:')}.json"
    layers = [f"{layer.diff_id.removeprefix('sha256:')}.tar" for layer in image.layers]
    yield "manifest.json", canonical([{"Config": config, "RepoTags": [name], "Layers": layers}])
    yield config, image.config_blob.read()
    for layer_name, layer in dict(zip(layers, image.layers, strict=True)).items():
        yield layer_name, read_layer(layer)


def _unpack(file: IO[bytes], folder: Path, path: Path) -> None:
    """Unpack the plain files of an archive, refusing every other kind and every name that leads elsewhere."""
    try:
        with tarfile.open(fileobj=file, mode="r:*") as archive:
            for count, member in enumerate(archive):
                if count > MOST_MEMBERS:
                    raise BivyError(f"{path} has more than {MOST_MEMBERS} files: not an image")
                parts = member.name.removeprefix("./").split("/")
                if member.isdir() or member.name in (".", "./"):
                    continue
                if not member.isreg() or "" in parts or ".." in parts:
                    raise BivyError(f"{path}: {member.name!r} has no place in an image's archive")
                content = archive.extractfile(member)
                assert content is not None
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                data = content.read()
                if len(data) != member.size:
                    raise BivyError(f"{path} is cut off in {member.name}")
                target.write_bytes(data)
    except (tarfile.TarError, EOFError, ValueError) as fault:
        raise BivyError(f"{path} is not a tar archive, or a damaged one: {fault}") from None


def _read_docker(folder: Path, name: str, path: Path) -> Image:
    try:
        entries = json.loads((folder / "manifest.json").read_bytes())
        named = [(entry["Config"], entry["Layers"], entry.get("RepoTags") or []) for entry in entries]
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise BivyError(f"{path}: manifest.json is damaged: {fault}") from None
    fitting = [entry for entry in named if not name or name in entry[2]]
    if len(fitting) != 1:
        there = ", ".join(tag for _, _, tags in named for tag in tags)
        raise UsageError(f"{path} has no image {name!r}", hint=f"it has {there or 'none'}")
    config_name, layer_names, _ = fitting[0]
    config_blob = _file_blob(folder, config_name, path)
    config = parse_config(config_blob.read())
    if len(config.diff_ids) != len(layer_names):
        raise BivyError(f"{path} has {len(layer_names)} layers, its config {len(config.diff_ids)}")
    layers = tuple(
        Layer(media.LAYER, _file_blob(folder, layer, path), diff_id)
        for layer, diff_id in zip(layer_names, config.diff_ids, strict=True)
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "config": descriptor(media.CONFIG, config_blob),
        "layers": [descriptor(layer.media_type, layer.blob) for layer in layers],
    }
    return Image(config, layers, config_blob=config_blob, manifest=Blob.of(canonical(manifest)))


def _file_blob(folder: Path, name: str, path: Path) -> Blob:
    file = folder / name
    if ".." in Path(name).parts or not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        raise BivyError(f"{path}: {name!r} is missing")
    content = file.read_bytes()
    return Blob(digest_of(content), len(content), file)
