"""An image of one small static program, which says what it sees."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bivy.apk.entry import Entry, Kind
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import layer_from_tree
from bivy.rootfs.tree import Tree
from bivy.sandbox import why_no_sandbox

PASSWD = """root:x:0:0:root:/root:/bin/sh
broken line
web:x:1000:1001:Web:/srv/web:/bin/sh
nobody:x:65534:65534:nobody:/:/sbin/nologin
"""
GROUP = """root:x:0:root
www:x:1001:web
staff:x:50:
"""


CONFIG = ImageConfig("amd64", env=("PATH=/usr/bin:/bin", "GREETING=hello"), cmd=("probe", "show"))


def image_of(program: bytes, config: ImageConfig = CONFIG) -> Image:
    """An image of one program and a few files around it."""
    folders = ["bin", "etc", "root", "run", "srv", "srv/web"]
    entries = [Entry(path, Kind.DIRECTORY, 0o755) for path in folders]
    entries += [
        Entry("tmp", Kind.DIRECTORY, 0o1777),
        Entry("bin/probe", Kind.FILE, 0o755, content=program),
        Entry("bin/plain", Kind.FILE, 0o644, content=b"not a program"),
        Entry("etc/passwd", Kind.FILE, 0o644, content=PASSWD.encode()),
        Entry("etc/group", Kind.FILE, 0o644, content=GROUP.encode()),
        Entry("etc/motd", Kind.FILE, 0o444, uid=4242, content=b"as it was"),
        Entry("var", Kind.SYMLINK, 0o777, target="/run"),
        Entry("outside", Kind.SYMLINK, 0o777, target="../../../../etc"),
    ]
    return make_image(config, [layer_from_tree(Tree.of(entries))])


def saying(image: Image, **changes: Any) -> Image:
    """The same layers with another configuration."""
    return make_image(replace(image.config, **changes), image.layers)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of probe.c, compiled for musl, linked statically."""
    path = tmp_path_factory.mktemp("program") / "probe"
    source = Path(__file__).with_name("probe.c")
    target = ["-target", "x86_64-linux-musl", "-static", "-s"]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *target, "-o", path, source], check=True)
    return path


@pytest.fixture(scope="session")
def image(program: Path) -> Image:
    if why_no_sandbox() is not None:
        pytest.skip(f"no sandbox: {why_no_sandbox()}")
    return image_of(program.read_bytes())


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")
