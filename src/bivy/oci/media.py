"""Media types and annotations (OCI image-spec 1.1, media-types.md and annotations.md)."""

from __future__ import annotations

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

# What docker writes for the same things (distribution's spec/manifest-v2-2.md); read, never written.
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

INDEXES = frozenset({INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
GZIP_LAYERS = frozenset({LAYER_GZIP, DOCKER_LAYER})
LAYERS = frozenset({LAYER, LAYER_ZSTD}) | GZIP_LAYERS

# A blob that stands for none, where a document has to name one (image-spec 1.1, manifest.md).
EMPTY = "application/vnd.oci.empty.v1+json"

REF_NAME = "org.opencontainers.image.ref.name"
