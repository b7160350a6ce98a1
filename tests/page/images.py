"""Small images that the tests of page/ start from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from bivy.apk.database import database_entries
from bivy.apk.entry import Entry
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import layer_from_tree
from bivy.page.facts import Facts, gather
from bivy.rootfs.install import install
from bivy.rootfs.tree import Tree
from tests.rootfs.trees import file, folder

NOISE = bytes(number * number * 7919 // 251 % 256 for number in range(60_000))
OS_RELEASE = b'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.24.2\nPRETTY_NAME="Alpine Linux v3.24"\n# a comment\n=x\n'
PIP = "usr/local/lib/python3.14/site-packages/pip-26.2.1.dist-info"
CONFIG = ImageConfig(
    "amd64", created="2026-01-01T00:00:00Z", cmd=("python3",),
    env=("PATH=/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION=3.14.7"),
)  # fmt: skip

# What a person who means harm, or knows no better, writes into a package, a label, a file's name.
HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a | b || c", "[x](javascript:alert(1))", "`code` ``",
    "</table></main>", "# not a heading", "1. not a list", "%%LOGO%% %%IMAGE%%", "{{ facts }} {% raw %}",
    "\x1b[31mred\n\nx", "x" * 5000, "Ünïcödé 日本語 \u202egnp.exe", "&lt;b&gt; &amp;", "\\", "--- ===", "![x](https://example.org/x.png)",
    "<!-- x", "*a* _b_ ~~c~~ $d$", "https://example.org/?a=b|c", "\ud800",
)  # fmt: skip


def package(name: str, *entries: Entry, version: str = "1-r0", **more: str) -> Package:
    info = PackageInfo(name, version, "x86_64", **{"license": "MIT", **more})  # type: ignore[arg-type]
    return Package(info, entries, {}, "Q1" + "A" * 27 + "=", 0)


@functools.cache
def python_packages() -> tuple[Package, ...]:
    """The packages of an image of Python that is as small as can be."""
    base = package(
        "base", folder("bin"), folder("etc"), file("bin/apk", b"apk"), file("etc/os-release", OS_RELEASE),
        folder("etc/apk"), file("etc/apk/repositories", b"# here\nhttps://example.org/main\n\n"),
        file("etc/alpine-release", b"3.24.2\n"),
    )  # fmt: skip
    musl = package("musl", folder("lib"), file("lib/ld-musl-x86_64.so.1", NOISE), version="1.2.6-r2")
    folders = ["usr", "usr/local", "usr/local/bin", "usr/local/lib", "usr/local/lib/python3.14"]
    folders += ["usr/local/lib/python3.14/site-packages", PIP]
    python = package(
        "python", *map(folder, folders), file("usr/local/bin/python3.14", NOISE[:30_000], 0o755),
        file("usr/local/bin/pip", b"#!"), file("usr/local/lib/python3.14/os.py", NOISE[:9000]),
        file(f"{PIP}/METADATA", b"Name: pip\nVersion: 26.2.1\nLicense-Expression: MIT\n\nText\n"),
        file(f"{PIP}/RECORD", b"pip-26.2.1.dist-info/METADATA,,\n../../../bin/pip,,\n../../../../../etc/passwd,,\n"),
        version="3.14.7-r0", license="PSF-2.0", description="A language, with pip",
    )  # fmt: skip
    return base, musl, python


def image_of(
    groups: Sequence[Sequence[Package]], config: ImageConfig = CONFIG, annotations: dict[str, str] | None = None
) -> Image:
    """Make an image with a layer for each group of packages, and one with the database."""
    everything = [each for group in groups for each in group]
    trees = [*install(groups), Tree.of(database_entries(everything, [each.info.name for each in everything], "x86_64"))]
    names = [" ".join(each.info.name for each in group) for group in groups]
    made = [f"bivy build: {name.split()[0]}: {name}" for name in names] + ["bivy build: apk: the database"]
    layers = [layer_from_tree(tree, created_by=by) for tree, by in zip(trees, made, strict=True)]
    return make_image(config, layers, {"org.opencontainers.image.vendor": "bivy 0.1.0", **(annotations or {})})


def python_image(**config: object) -> Image:
    """Return the image of a Python, as bivy makes it."""
    base, musl, python = python_packages()
    return image_of([[base, musl], [python]], replace(CONFIG, **config))  # type: ignore[arg-type]


def python_facts(**changed: object) -> Facts:
    """Return what there is to say of it."""
    return replace(gather(python_image(), "python:3.14-alpine3.24"), **changed)  # type: ignore[arg-type]


def bare_facts() -> Facts:
    """Return what there is to say of an image that has no Python and no package database."""
    tree = Tree.of([file("srv/index.html", b"hello" * 100)])
    config = ImageConfig(
        "arm64", "v8", entrypoint=("/srv/serve", "--all"), user="65532:65532", exposed_ports=("80/tcp",)
    )
    return gather(make_image(config, [layer_from_tree(tree, created_by="COPY . /srv")]), "example.org/team/web:1")
