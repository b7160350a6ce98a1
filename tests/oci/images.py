"""Small images that the tests of oci/ start from."""

from __future__ import annotations

from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import Compression, layer_from_tree
from bivy.rootfs.tree import Tree
from tests.rootfs.trees import file, folder, hardlink, symlink

BASE = Tree.of([
    folder("tmp", 0o1777), file("bin/busybox", b"\x7fELF busybox" * 50, 0o755), symlink("bin/sh", "busybox"),
    file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"), file("etc/motd", b"low"),
])  # fmt: skip
PYTHON = Tree.of([
    file("usr/local/bin/python3.14", b"\x7fELF python" * 100, 0o755),
    hardlink("usr/local/bin/python3", "usr/local/bin/python3.14", 0o755), file("etc/motd", b"high"),
])  # fmt: skip


def sample(
    architecture: str = "amd64", *, variant: str = "", note: str = "", compression: Compression = "gzip"
) -> Image:
    """Return an image of two layers; one with another note has another second layer."""
    upper = Tree.of([*PYTHON.entries.values(), file("note", note.encode())]) if note else PYTHON
    config = ImageConfig(
        architecture, variant, created="2026-01-01T00:00:00Z", env=("PATH=/usr/local/bin:/bin", "LANG=C.UTF-8"),
        cmd=("python3",), entrypoint=("/bin/sh", "-c"), working_dir="/srv", user="65534:65534",
        labels={"b": "2", "a": "1"}, exposed_ports=("8000/tcp",), volumes=("/data",), stop_signal="SIGINT",
    )  # fmt: skip
    layers = [
        layer_from_tree(BASE, created_by="base", compression=compression),
        layer_from_tree(upper, created_by="python", compression=compression),
    ]
    return make_image(config, layers, {"org.opencontainers.image.title": "sample"})
