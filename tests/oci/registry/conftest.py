"""What the tests of bivy.oci.registry share."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bivy.oci.blob import Blob, digest_of
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import Layer
from bivy.oci.media import LAYER
from bivy.source.fetch import Patience
from tests.oci.registry.real import Registry, real_registry
from tests.oci.registry.standin import StandIn, stand_in

PATIENCE = Patience(connect=5, read=10, pauses=(0.02, 0.05, 0.1))


@pytest.fixture(autouse=True)
def nobody_in_particular(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, proxies or authorities of the machine's."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A real registry that everybody may write to."""
    with real_registry(tmp_path / "registry") as found:
        yield found


@pytest.fixture
def site() -> Iterator[StandIn]:
    """A registry that does what it is told."""
    with stand_in() as found:
        yield found


def large(size: int = 3 << 20, seed: int = 0, architecture: str = "amd64") -> Image:
    """Return an image of one layer of so many bytes, which are no archive, and a small one."""
    content = random.Random(seed).randbytes(size)
    layers = [Layer(LAYER, Blob.of(each), digest_of(each)) for each in (content, b"small")]
    return make_image(ImageConfig(architecture, created="2026-01-01T00:00:00Z"), layers)


def in_files(image: Image, folder: Path) -> Image:
    """Return an image whose layers are in files."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = []
    for number, layer in enumerate(image.layers):
        path = folder / str(number)
        path.write_bytes(layer.blob.read())
        layers.append(replace(layer, blob=replace(layer.blob, content=path)))
    return replace(image, layers=tuple(layers))
