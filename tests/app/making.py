"""What tests of a project's image start from: a base of a few files, wheels, and a place to make layers in."""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.app.base import Base, read_base
from bivy.app.dependencies import Pinned
from bivy.app.layers import LayerStore, Workplace
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import layer_from_tree
from bivy.progress import Silent
from bivy.rootfs.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH = 1_767_225_600
SITE = "usr/local/lib/python3.14/site-packages"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:Web:/srv:/bin/sh\n"
GROUP = "root:x:0:root\nwww:x:1001:web\n"
INSTALLED = "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:musl\nV:1.2.6-r0\nA:x86_64\nL:MIT\n\n"
FILES = {
    "lib/ld-musl-x86_64.so.1": b"musl",
    "etc/passwd": PASSWD.encode(),
    "etc/group": GROUP.encode(),
    "usr/lib/os-release": b"ID=alpine\nVERSION_ID=3.22.1\n",
    "lib/apk/db/installed": INSTALLED.encode(),
    "usr/local/bin/python3.14": b"python",
    "usr/local/lib/python3.14/os.py": b"",
    f"{SITE}/pip/__init__.py": b"",
    f"{SITE}/pip/old.py": b"",
    f"{SITE}/pip-26.0.dist-info/METADATA": b"Name: pip\nVersion: 26.0\n",
}
LINKS = {
    "usr/local/bin/python3": "python3.14",
    "usr/local/bin/python": "python3",
    "etc/os-release": "../usr/lib/os-release",
}


def base_image(files: Mapping[str, bytes] = FILES, links: Mapping[str, str] = LINKS) -> Image:
    """An image that looks like one of Python's."""
    entries = [Entry(path, Kind.FILE, 0o755, content=content) for path, content in files.items()]
    entries += [Entry(path, Kind.SYMLINK, 0o777, target=target) for path, target in links.items()]
    config = ImageConfig("amd64", env=("PATH=/usr/local/bin:/bin", "PYTHON_VERSION=3.14.7"), cmd=("python3",))
    return make_image(config, [layer_from_tree(Tree.of(entries), created_by="the base")])


def a_base(cache: Path, files: Mapping[str, bytes] = FILES) -> Base:
    return read_base(base_image(files), cache)


def workplace(cache: Path, base: Base | None = None) -> Workplace:
    """A place where layers are made, without anything that compiles bytecode."""
    store = LayerStore(cache / "layers", "gzip", EPOCH)
    return Workplace(base or a_base(cache), store, cache, lambda: "nothing compiles here", "", Silent())


def wheel(
    folder: Path, name: str, version: str, files: Mapping[str, bytes | str], *, tags: str = "py3-none-any",
    executable: tuple[str, ...] = (),
) -> Path:  # fmt: skip
    """Write a wheel with a true RECORD."""
    stem = f"{name.replace('-', '_')}-{version}"
    members = {path: each.encode() if isinstance(each, str) else each for path, each in files.items()}
    members.setdefault(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
                       "License-Expression: MIT\n".encode())  # fmt: skip
    members.setdefault(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tags}\n".encode())
    lines = [f"{path},sha256={digest(content)},{len(content)}" for path, content in members.items()]
    members[f"{stem}.dist-info/RECORD"] = "\n".join([*lines, f"{stem}.dist-info/RECORD,,", ""]).encode()
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for path, content in members.items():
            info = zipfile.ZipInfo(path)
            info.external_attr = (0o100755 if path in executable else 0o100644) << 16
            archive.writestr(info, content)
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{stem}-{tags}.whl"
    place.write_bytes(memory.getvalue())
    return place


def digest(content: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def pinned(path: Path, *, asked: bool = False, requires: tuple[str, ...] = ()) -> Pinned:
    """A wheel on this machine as a dependency."""
    name, version = path.name.split("-")[:2]
    return Pinned(name.replace("_", "-"), version, path.name, str(path), requires=requires, asked=asked)
