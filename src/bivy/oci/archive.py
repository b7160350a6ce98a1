"""An image in one file: an OCI layout as a tar archive, or what ``docker load`` reads."""

from __future__ import annotations

import io
import lzma
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from bivy.errors import BivyError, UsageError
from bivy.files import replacing, sha256_of
from bivy.oci import media
from bivy.oci.blob import Blob
from bivy.oci.config import canonical, parse_config
from bivy.oci.graph import node_of_image
from bivy.oci.image import Image, descriptor
from bivy.oci.layer import MOST_BYTES, Layer, read_layer
from bivy.oci.layout import read_image, read_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bivy.oci.graph import Node

# More files than an image's layout has by far.
MOST_MEMBERS = 10_000

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, section 2.3.1


class _Saved(msgspec.Struct, rename="pascal"):
    """An image in a docker archive's manifest.json."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


def write_archive(image: Image, path: Path, name: str, form: str) -> None:
    """Write an image into one file, whole or not at all; the same image gives the same bytes.

    Args:
        image: The image.
        path: The file.
        name: The image's name in it: ``python:3.14-alpine``.
        form: ``oci-archive`` or ``docker-archive``.
    """
    with replacing(path) as file:
        if form == "docker-archive":
            write_docker(image, file, name, unpacked=True)
            return
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            # syft unpacks no file whose folder was not there before.
            for folder in ("blobs", "blobs/sha256"):
                member = tarfile.TarInfo(folder)
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            for member_name, blob in _oci_members(image, name):
                _add(archive, member_name, blob)


def write_docker(
    image: Image,
    stream: IO[bytes],
    name: str,
    advance: Callable[[int], None] = lambda _: None,
    *,
    unpacked: bool = False,
) -> None:
    """Write what ``docker load`` and ``podman load`` read (moby's image specification v1.2).

    Args:
        image: The image.
        stream: Where to; it is only written to, never sought in.
        name: The image's name; empty for none.
        advance: Told of the bytes of layers that were written.
        unpacked: Whether all layers are decompressed, as docker itself writes them; without, those of gzip, which all
            of them read, go through as they are.
    """
    config = f"{image.config_blob.digest.removeprefix('sha256:')}.json"
    names = [f"{layer.diff_id.removeprefix('sha256:')}.tar" for layer in image.layers]
    saved = [{"Config": config, "RepoTags": [name] if name else None, "Layers": names}]
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, "manifest.json", Blob.of(canonical(saved)))
        _add(archive, config, image.config_blob)
        for layer_name, layer in dict(zip(names, image.layers, strict=True)).items():
            as_it_is = layer.media_type == media.LAYER or (not unpacked and layer.media_type in media.GZIP_LAYERS)
            _add(archive, layer_name, layer.blob if as_it_is else Blob.of(read_layer(layer)))
            advance(layer.size)


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
    folder = _unpacked(path, scratch)
    # Docker 25 and later save both at once, and only here are the images called what docker calls them.
    if (folder / "manifest.json").is_file():
        return _read_docker(folder, name, path)
    if (folder / "index.json").is_file():
        return read_image(folder, name, platform)
    raise BivyError(f"{path} is neither an OCI archive nor a docker archive: it has no index.json and no manifest.json")


def archived_node(path: Path, name: str, platform: str, scratch: Path) -> Node:
    """Read all that a name in an archive stands for, as `bivy.oci.layout.read_node` does.

    The arguments are those of `read_archive`.

    Raises:
        BivyError: The file is not such an archive, or a damaged one.
    """
    folder = _unpacked(path, scratch)
    if (folder / "index.json").is_file() and not (folder / "manifest.json").is_file():
        return read_node(folder, name, platform)
    return node_of_image(read_archive(path, name, platform, scratch))


def _unpacked(path: Path, scratch: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        file = path.open("rb")
    except OSError as fault:
        raise UsageError(f"{path}: {fault.strerror}") from None
    with file:
        _unpack(file, folder, path)
    return folder


def _oci_members(image: Image, name: str) -> Iterator[tuple[str, Blob]]:
    entry = {**descriptor(media.MANIFEST, image.manifest), "annotations": {media.REF_NAME: name}}
    config = image.config
    entry["platform"] = {"architecture": config.architecture, "os": config.os}
    if config.variant:
        entry["platform"]["variant"] = config.variant
    yield "oci-layout", Blob.of(canonical({"imageLayoutVersion": "1.0.0"}))
    index = {"schemaVersion": 2, "mediaType": media.INDEX, "manifests": [entry]}
    yield "index.json", Blob.of(canonical(index))
    for blob in sorted({blob.digest: blob for blob in image.blobs}.values(), key=lambda blob: blob.digest):
        yield f"blobs/sha256/{blob.digest.removeprefix('sha256:')}", blob


def _add(archive: tarfile.TarFile, name: str, blob: Blob) -> None:
    blob.verify()
    member = tarfile.TarInfo(name)
    member.size = blob.size
    if isinstance(blob.content, bytes):
        archive.addfile(member, io.BytesIO(blob.content))
        return
    with blob.content.open("rb") as file:
        archive.addfile(member, file)


def _unpack(file: IO[bytes], folder: Path, path: Path) -> None:
    """Unpack the files of an archive, refusing what is no file and every name that leads elsewhere.

    Docker up to 24, podman and skopeo save a layer once, and links to it: they become other names of the file.
    """
    links = []
    try:
        with tarfile.open(fileobj=file, mode="r:*", encoding="utf-8") as archive:
            size = 0
            for count, member in enumerate(archive):
                if count > MOST_MEMBERS:
                    raise BivyError(f"{path} has more files than any image")
                if member.isdir():
                    continue
                parts = member.name.removeprefix("./").split("/")
                plain = (member.isreg() and not member.issparse() and member.size >= 0) or member.issym()
                if not plain or not {"", ".."}.isdisjoint(parts):
                    raise BivyError(f"{path}: {member.name!r} has no place in an image's archive")
                if member.issym():
                    links.append(("/".join(parts), member.linkname))
                    continue
                size += member.size
                if size > MOST_BYTES:
                    raise BivyError(f"{path} has larger files than any image")
                content = archive.extractfile(member)
                assert content is not None
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as unpacked:
                    shutil.copyfileobj(content, unpacked)
        for name, linkname in links:
            _follow(folder, name, linkname)
    except (FileExistsError, NotADirectoryError) as fault:
        raise BivyError(f"{path} has two files in one place: {fault.filename}") from None
    except (tarfile.TarError, EOFError, ValueError, OverflowError, zlib.error, lzma.LZMAError, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno:
            raise  # What the disk says has a number; what gzip and bzip2 say of the archive has none.
        raise BivyError(f"{path} is not a tar archive, or a damaged one: {fault}") from None


def _follow(folder: Path, name: str, linkname: str) -> None:
    """Make a link another name of the unpacked file that it leads to, and pass it over where it leads to none."""
    original = posixpath.normpath(posixpath.join(posixpath.dirname(name), linkname))
    if not original.startswith(("/", "..")) and (folder / original).is_file():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).hardlink_to(folder / original)


def _read_docker(folder: Path, name: str, path: Path) -> Image:
    try:
        saved = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=list[_Saved])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise BivyError(f"{path}: manifest.json is damaged: {fault}") from None
    # Podman and skopeo write the whole name: docker.io/library/python:3.14-alpine, localhost/python:3.14-alpine.
    fitting = [
        each for each in saved if not name or any(f"/{tag}".endswith(f"/{name}") for tag in each.repo_tags or ())
    ]
    if len(fitting) != 1:
        there = ", ".join(tag for each in saved for tag in each.repo_tags or ())
        what = f"has no image {name!r}" if name else "has not just one image: name it"
        raise UsageError(f"{path} {what}", hint=f"it has {there or 'none'}")
    config_blob = _file_blob(folder, fitting[0].config, path)
    config = parse_config(config_blob.read())
    if len(config.diff_ids) != len(fitting[0].layers):
        raise BivyError(f"{path} has {len(fitting[0].layers)} layers, its config {len(config.diff_ids)}")
    steps = config.created_by
    layers = tuple(
        _saved_layer(_file_blob(folder, layer, path), diff_id, step)
        for layer, diff_id, step in zip(fitting[0].layers, config.diff_ids, steps, strict=True)
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "config": descriptor(media.CONFIG, config_blob),
        "layers": [descriptor(layer.media_type, layer.blob) for layer in layers],
    }
    return Image(config, layers, config_blob=config_blob, manifest=Blob.of(canonical(manifest)))


def _saved_layer(blob: Blob, diff_id: str, created_by: str) -> Layer:
    # Docker and podman save layers as they are unpacked; docker with containerd's store, as they were pulled.
    assert isinstance(blob.content, Path)
    with blob.content.open("rb") as file:
        compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return Layer(media.LAYER_GZIP if compressed else media.LAYER, blob, diff_id, created_by)


def _file_blob(folder: Path, name: str, path: Path) -> Blob:
    file = folder / name
    # Nothing but plain files was unpacked: without dots, a name cannot lead elsewhere.
    if name.startswith("/") or ".." in Path(name).parts or "\0" in name or not file.is_file():
        raise BivyError(f"{path}: {name!r}, which manifest.json names, is missing")
    return Blob(f"sha256:{sha256_of(file)}", file.stat().st_size, file, f"{path}'s manifest.json")
