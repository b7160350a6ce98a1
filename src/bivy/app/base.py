"""What has to be known of the image that a project's image stands on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.alpine import INSTALLED, OS_RELEASE
from bivy.apk.entry import Kind
from bivy.errors import UsageError
from bivy.files import write_whole
from bivy.musl.archives.standards import normalised
from bivy.sbom.distributions import is_metadata, list_distributions
from bivy.sbom.image import arch_of
from bivy.sbom.listing import Component  # noqa: TC001 - msgspec looks at it
from bivy.sbom.packages import Package, System, package_of, read_system

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.rootfs.tree import Tree

# Raised when other facts are read, so that those kept by an older bivy are not taken.
GENERATION: Final = 3

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT: Final = frozenset({"etc/passwd", "etc/group", *OS_RELEASE, *INSTALLED})
_MOST_KEPT: Final = 16 << 20


class Base(msgspec.Struct, frozen=True):
    """What is known of a base.

    Attributes:
        digest: Its manifest's digest.
        python: The minor version of its Python, ``3.14``.
        interpreter: Where its Python is, absolute, links followed.
        prefix: The folder that its Python is below, without a leading ``/``: ``usr/local``.
        musl: The version of its musl.
        system: What its ``os-release`` calls it: ``alpine-3.22.1``.
        folders: The paths of its folders, with their modes.
        files: The paths of everything else, with what links lead to; empty for what is no link.
        distributions: The Python distributions in it: by normalised name, the version.
        listed: The same, as a list of an image's content names them.
        packages: The packages in it.
        passwd: Its ``/etc/passwd``.
        group: Its ``/etc/group``.
    """

    digest: str
    python: str
    interpreter: str
    prefix: str
    musl: str
    system: System
    folders: dict[str, int]
    files: dict[str, str]
    distributions: dict[str, str]
    listed: tuple[Component, ...]
    packages: tuple[Package, ...]
    passwd: str
    group: str

    @property
    def site_packages(self) -> str:
        """The folder that its Python finds distributions in, without a leading ``/``."""
        return f"{self.prefix}/lib/python{self.python}/site-packages"


def read_base(image: Image, cache: Path) -> Base:
    """Find out about a base; what was found out is kept in the cache.

    Raises:
        UsageError: It has no Python, or is not on musl.
        BivyError: A layer of it is damaged.
    """
    place = cache / "app" / "bases" / f"{image.digest.removeprefix('sha256:')}-{GENERATION}"
    try:
        return msgspec.msgpack.decode(place.read_bytes(), type=Base)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        pass
    base = _facts(image, scan(image))
    write_whole(place, msgspec.msgpack.encode(base))
    return base


def scan(image: Image) -> Tree:
    """Return what is in an image, without the content of files but for the few that tell of the others.

    Raises:
        BivyError: A layer is damaged.
    """
    from bivy.oci.image import read_tree

    return read_tree(image, "the base", _is_kept)


def _is_kept(path: str, size: int) -> bool:
    return size <= _MOST_KEPT and (path in _KEPT or is_metadata(path))


def _facts(image: Image, tree: Tree) -> Base:
    interpreter, python = _find_python(image, tree)
    if not any(path.startswith(("lib/ld-musl-", "usr/lib/ld-musl-")) for path in tree.entries):
        raise UsageError(
            "the base is not on musl: it has no /lib/ld-musl-*.so.1",
            hint="bivy app makes images on Alpine: name another with --base, or leave it out",
        )
    packages = tuple(_packages(tree))
    prefix = interpreter.rsplit("/", 2)[0]
    files = {
        path: entry.target if entry.kind is Kind.SYMLINK else ""
        for path, entry in tree.entries.items()
        if entry.kind is not Kind.DIRECTORY
    }
    return Base(
        digest=image.digest,
        python=python,
        interpreter=f"/{interpreter}",
        prefix=prefix,
        musl=next((each.version.split("-")[0] for each in packages if each.name == "musl"), ""),
        system=read_system(tree.read),
        folders={path: entry.mode for path, entry in tree.entries.items() if entry.kind is Kind.DIRECTORY},
        files=files,
        distributions=_distributions(files, f"{prefix}/lib/python{python}/site-packages"),
        listed=list_distributions(tree, arch_of(image)[1], []),
        packages=packages,
        passwd=(tree.read("etc/passwd") or b"").decode("utf-8", "replace"),
        group=(tree.read("etc/group") or b"").decode("utf-8", "replace"),
    )


def _find_python(image: Image, tree: Tree) -> tuple[str, str]:
    """Return where the base's Python is and its minor version: what ``python3`` is along the image's PATH."""
    path = image.config.variables.get("PATH", _PATH)
    for folder in path.split(":"):
        for name in ("python3", "python"):
            found = tree.resolve(f"{folder.strip('/')}/{name}")
            version = re.fullmatch(r"python(3\.\d+)", found.path.rpartition("/")[2]) if found else None
            if found and version and found.path.count("/") >= 2:
                return found.path, version[1]
    raise UsageError(
        f"the base has no python3 in {path}", hint="name an image of Python's with --base, or leave it out"
    )


def _packages(tree: Tree) -> Iterator[Package]:
    from bivy.apk.database import parse_installed

    for place in INSTALLED:
        content = tree.read(place)
        if content is not None:
            for each in parse_installed(content.decode("utf-8", "replace"), "the base"):
                yield package_of(each.entry)
            return


def _distributions(files: dict[str, str], folder: str) -> dict[str, str]:
    found = {}
    for path in files:
        match = re.fullmatch(rf"{re.escape(folder)}/([^/]+)-([^/-]+)\.dist-info/METADATA", path)
        if match:
            found[normalised(match[1])] = match[2]
    return found
