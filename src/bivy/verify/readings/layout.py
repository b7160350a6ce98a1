"""Readings of the documents and blobs: whether they are as the OCI image specification 1.1 has them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bivy.arch import ARCHES
from bivy.errors import BivyError
from bivy.oci import media
from bivy.oci.blob import is_digest
from bivy.oci.layer import read_layer
from bivy.verify.readings.registry import CannotBeMadeError, NoSettings, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bivy.verify.subject import Subject

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")
_PORT = re.compile(r"\d{1,5}(/(tcp|udp))?")
_OCI_LAYERS = (media.LAYER, media.LAYER_GZIP, media.LAYER_ZSTD)


@reading("digests", NoSettings, needs="image")
def digests(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the blobs whose bytes are not those that the manifest names (descriptor.md, "Verification")."""
    for blob in subject.image.blobs:
        try:
            blob.verify()
        except BivyError as fault:
            yield str(fault)


@reading("manifest", NoSettings, needs="image")
def whole_manifest(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield what is wrong with the manifest (manifest.md, descriptor.md)."""
    document = _document(subject.image.manifest.read())
    if document.get("schemaVersion") != 2:
        yield f"schemaVersion is {document.get('schemaVersion')!r}, not 2"
    layers = document.get("layers") or []
    if not layers:
        yield "it has no layers"
    for what, entry in (
        ("config", document.get("config") or {}),
        *((f"layer {n}", e) for n, e in enumerate(layers, 1)),
    ):
        if not is_digest(str(entry.get("digest"))):
            yield f"{what}: {entry.get('digest')!r} is not a digest"
        if not isinstance(entry.get("size"), int) or entry["size"] < 0:
            yield f"{what}: {entry.get('size')!r} is not a size"
    blobs = subject.image.blobs[:-1]
    told = [*layers, document.get("config") or {}]
    for blob, entry in zip(blobs, told, strict=False):
        if isinstance(blob.content, bytes) and entry.get("size") != len(blob.content):
            yield f"{blob.digest} has {len(blob.content)} bytes, and its descriptor says {entry.get('size')}"


@reading("media-types", NoSettings, needs="image")
def media_types(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the media types that are not OCI's (media-types.md)."""
    document = _document(subject.image.manifest.read())
    kind = document.get("mediaType", "")
    if kind not in ("", media.MANIFEST):  # it may be left out, as umoci does
        yield f"the manifest's mediaType is {kind}, not {media.MANIFEST}"
    config = (document.get("config") or {}).get("mediaType", "")
    if config != media.CONFIG:
        yield f"the config's mediaType is {config or 'missing'}, not {media.CONFIG}"
    for number, layer in enumerate(subject.image.layers, 1):
        if layer.media_type not in _OCI_LAYERS:
            yield f"layer {number} has the mediaType {layer.media_type}, not {' or '.join(_OCI_LAYERS)}"


@reading("config", NoSettings, needs="image")
def whole_config(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield what is wrong with the config (config.md)."""
    document = _document(subject.image.config_blob.read())
    if (document.get("rootfs") or {}).get("type") != "layers":
        yield f"rootfs.type is {(document.get('rootfs') or {}).get('type')!r}, not 'layers'"
    told = subject.image.config
    if not any((told.architecture, told.variant) in ((a.oci, a.variant), (a.oci, "")) for a in ARCHES.values()):
        yield f"{told.platform} is not a platform that Alpine is for"
    if told.os != "linux":
        yield f"os is {told.os!r}, not 'linux'"
    times = [("created", told.created), *((f"history {n}", step.created) for n, step in enumerate(told.history, 1))]
    yield from (
        f"{what}: {time!r} is not a time (RFC 3339)" for what, time in times if time and not _TIME.fullmatch(time)
    )
    yield from (f"Env: {pair!r} is not NAME=value" for pair in told.env if not re.match(r"[^=\0]+=", pair))
    names = [pair.partition("=")[0] for pair in told.env]
    yield from (f"Env: {name} is there twice" for name in sorted({name for name in names if names.count(name) > 1}))
    yield from (f"ExposedPorts: {port!r} is not a port" for port in told.exposed_ports if not _PORT.fullmatch(port))
    if told.working_dir and not told.working_dir.startswith("/"):
        yield f"WorkingDir {told.working_dir!r} is not absolute"
    steps = [step for step in told.history if not step.empty_layer]
    if told.history and len(steps) != len(told.diff_ids):
        yield f"history has {len(steps)} layers, rootfs.diff_ids {len(told.diff_ids)}"


@reading("diff-ids", NoSettings, needs="image")
def diff_ids(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the layers that are other than the config says once they are decompressed (config.md, "Layer DiffID")."""
    if subject.tree is not None:
        return  # They were read, and compared, for it.
    for number, layer in enumerate(subject.image.layers, 1):
        try:
            layer.blob.verify()
        except BivyError:
            continue  # Another check's.
        try:
            read_layer(layer)
        except BivyError as fault:
            yield f"layer {number}: {fault}"


@reading("layers", NoSettings, needs="image")
def all_layers(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the layers that are no archives, or have in them what has no place in a root (layer.md)."""
    if subject.tree is not None:
        return
    from bivy.oci.layer import apply_changes, read_tar
    from bivy.rootfs.tree import Tree

    tree = Tree.of(())
    for number, layer in enumerate(subject.image.layers, 1):
        try:
            archive = read_layer(layer)
        except BivyError as fault:
            raise CannotBeMadeError(f"layer {number} cannot be read: {fault}") from None
        try:
            tree = apply_changes(tree, read_tar(archive, f"layer {number}"))
        except BivyError as fault:
            yield str(fault)
            return


@reading("annotations", NoSettings, needs="image")
def all_annotations(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the annotations that are not as annotations.md has them; keys of bivy's own are free."""
    document = _document(subject.image.manifest.read())
    told = document.get("annotations")
    if told is None:
        raise CannotBeMadeError("its manifest has no annotations")
    for key, value in told.items():
        if not key or not isinstance(value, str):
            yield f"{key!r}: {value!r} is not a text with a name"
        elif wrong := _wrong(key.removeprefix("org.opencontainers.image."), value):
            yield f"{key}: {wrong}"


def _wrong(key: str, value: str) -> str:
    """Return what is wrong with the value of one of the annotations that the specification defines."""
    if key == "created" and not _TIME.fullmatch(value):
        return f"{value!r} is not a time (RFC 3339)"
    if key in ("url", "source", "documentation") and not re.match(r"[a-z][a-z0-9+.-]*:", value):
        return f"{value!r} is not a URL"
    if key == "base.digest" and not is_digest(value):
        return f"{value!r} is not a digest"
    if key == "licenses":
        from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

        try:
            canonicalize_license_expression(value)
        except InvalidLicenseExpression as fault:
            return f"{fault}: not an SPDX expression"
    return ""


def _document(content: bytes) -> dict[str, Any]:
    """Return a document that was read before, with all that is in it."""
    found = json.loads(content)
    assert isinstance(found, dict)
    return found
