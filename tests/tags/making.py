"""Made-up images that say which version and kind they are, as bivy build's do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bivy import __version__
from bivy.arch import find_arch
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import layer_from_tree
from bivy.oci.layout import write_image
from bivy.rootfs.tree import Tree
from bivy.tags.rules import Edition, assign
from bivy.verify.record import keep
from bivy.verify.report import Outcome, Report, Status
from tests.rootfs.trees import file

VERSION = "org.opencontainers.image.version"
TITLE = "org.opencontainers.image.title"
KNOWN = ("3.13.15", "3.14.7")


def made(
    version: str, release: str = "", *, arch: str = "x86_64", note: str = "",
    annotations: Mapping[str, str] | None = None,
) -> Image:  # fmt: skip
    """Make a small image; one with another note has another digest."""
    own = find_arch(arch)
    series = ".".join(version.split(".")[:2])
    said = {VERSION: version, TITLE: f"python:{series}-alpine{release}"} if annotations is None else annotations
    tree = Tree.of([file("etc/note", f"{version} {release} {note}".encode())])
    config = ImageConfig(own.oci, own.variant, cmd=("python3",), env=(f"PYTHON_VERSION={version}",))
    return make_image(config, [layer_from_tree(tree, created_by="a test")], said)


def put(layout: Path, edition: Edition, *arches: str, note: str = "", known: tuple[str, ...] = KNOWN) -> list[Image]:
    """Write images of an edition under all their names."""
    images = [made(edition.version, edition.release, arch=arch, note=note) for arch in arches or ("x86_64",)]
    for image in images:
        write_image(image, layout, [f"python:{tag}" for tag in assign([edition], known)[edition]])
    return images


def vouch(image: Image, cache: Path, status: Status = Status.PASSED, bivy: str = __version__) -> None:
    """Keep a report of all checks, as bivy verify does, in which one has come to something."""
    outcome = Outcome("links", "Every link leads somewhere", "root", status)
    keep(Report("x", image.digest, image.config.platform, "2026-01-01T00:00:00Z", bivy, (outcome,)), cache)
