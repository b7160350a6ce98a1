"""What a page says of an image: all of it read from the image itself."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, Final

from bivy.alpine import os_release
from bivy.errors import UsageError
from bivy.oci.inspect import inspect
from bivy.sbom.distributions import license_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bivy.oci.graph import Node
    from bivy.oci.image import Image
    from bivy.oci.inspect import FileReport, LayerReport, PackageReport
    from bivy.rootfs.tree import Tree

# A page that does not depend on who makes it describes this platform where an image is for several.
_FIRST: Final = "linux/amd64"
# Programs that people expect and that a small image leaves to who needs them.
EXPECTED: Final = ("bash", "git", "curl", "make", "gcc", "cc", "ssh", "perl")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_METADATA: Final = re.compile(r"(?:.*/)?[^/]+\.dist-info/METADATA")
_PROGRAM: Final = re.compile(r"usr/(?:local/)?bin/python(3\.\d{1,3})", re.ASCII)
_VERSION: Final = re.compile(r"(\d+\.\d+)\.\d+[a-z0-9]*", re.ASCII)
_RELEASE: Final = re.compile(r"\d+\.\d+", re.ASCII)
_PORT: Final = re.compile(r"\d{1,5}(?:/(?:tcp|udp|sctp))?", re.ASCII)
_MOST_REPOSITORIES: Final = 6
_ANNOTATION: Final = "org.opencontainers.image."


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """One of the platforms that the image is for.

    Attributes:
        platform: As in ``docker --platform``.
        digest: The digest of the manifest for it.
    """

    platform: str
    digest: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Python distribution that is installed in the image.

    Attributes:
        name: Its name.
        version: Its version.
        license: Its licence, as it says itself; empty where it does not.
        size: Bytes of the files in its folders.
    """

    name: str
    version: str
    license: str
    size: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say of one image.

    Attributes:
        name: What it is called, without tag: ``python``, ``ghcr.io/team/shop``.
        tag: Its tag, ``3.14-alpine``; empty where it has none.
        description: What it says of itself; empty where it does not.
        created: When it says that it was made.
        version: Its version, as it says itself; empty where it does not.
        digest: The digest of the manifest for the platform that is described.
        platform: The platform that is described.
        platforms: All platforms that the name stands for, sorted.
        size: Compressed bytes of all layers.
        unpacked: Bytes of all files as a container has them.
        layers: From the lowest.
        packages: What is installed, largest first.
        distributions: The Python distributions in it, by name.
        files: All files.
        unowned: Compressed bytes, estimated, of files that no package owns.
        python: The version of its Python; empty where it has none.
        system: What it says that its system is: ``Alpine Linux v3.24``.
        alpine: The release of Alpine that it consists of, ``3.24``; empty where it is none.
        musl: The version of musl in it; empty where it has none.
        command: What a container runs, as it would be typed.
        user: Who it runs as; ``root`` where the image does not say.
        working_dir: Where it starts.
        ports: What it says that it listens on.
        environment: Its variables, by name.
        missing: Of the programs that people expect, those that it does not have.
        has_apk: Whether packages can be added to it.
        has_pip: Whether pip is in it.
        has_database: Whether it says what is installed in it.
        repositories: Where apk takes packages from.
        vendor: Who made it, as it says itself: ``bivy 0.1.0``.
    """

    name: str
    tag: str
    description: str
    created: str
    version: str
    digest: str
    platform: str
    platforms: tuple[PlatformFacts, ...]
    size: int
    unpacked: int
    layers: tuple[LayerReport, ...]
    packages: tuple[PackageReport, ...]
    distributions: tuple[Distribution, ...]
    files: tuple[FileReport, ...]
    unowned: int
    python: str
    system: str
    alpine: str
    musl: str
    command: str
    user: str
    working_dir: str
    ports: tuple[str, ...]
    environment: Mapping[str, str]
    missing: tuple[str, ...]
    has_apk: bool
    has_pip: bool
    has_database: bool
    repositories: tuple[str, ...]
    vendor: str

    @property
    def reference(self) -> str:
        """What a person types to get it."""
        return f"{self.name}:{self.tag}" if self.tag else self.name

    @property
    def minor(self) -> str:
        """The series of its Python, ``3.14``; empty where it has none."""
        return ".".join(self.python.split(".")[:2])

    @property
    def is_python(self) -> bool:
        """Whether it is an image of Python itself, to build on, and not of an application that is written in it."""
        command = self.command.split()
        return bool(self.python) and command in (["python3"], ["python"], [f"python{self.minor}"])

    @property
    def is_bivys(self) -> bool:
        """Whether bivy made it."""
        return self.vendor.startswith("bivy ")


def split_name(reference: str) -> tuple[str, str]:
    """Split what an image is called into name and tag.

    Raises:
        UsageError: There is nothing, or nothing that could stand on a page.
    """
    bare = reference.partition("@")[0]
    head, mark, tail = bare.rpartition(":")
    name, tag = (head, tail) if mark and "/" not in tail else (bare, "")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._/:-]*", name) or not re.fullmatch(r"(?:\w[\w.-]{0,127})?", tag, re.ASCII):
        raise UsageError(
            f"{reference!r} is not what an image can be called",
            hint="say what the page is to call it: --name python:3.14",
        )
    return name, tag


def chosen_platform(platforms: Sequence[str], wanted: str = "") -> str:
    """Return the platform that a page describes: the one that is wanted, else the same one on every machine."""
    if wanted or not platforms:
        return wanted
    return _FIRST if _FIRST in platforms else min(platforms)


def platforms_in(node: Node) -> tuple[PlatformFacts, ...]:
    """List the platforms that a name stands for; an index also lists what is none, such as proofs of origin."""
    found = {str(each.platform): each.digest for each in node.walk() if each.platform and not each.nodes}
    return tuple(PlatformFacts(name, found[name]) for name in sorted(found) if not name.startswith("unknown/"))


def gather(image: Image, reference: str, platforms: Sequence[PlatformFacts] = ()) -> Facts:
    """Read all that a page says of an image.

    Args:
        image: The image for the platform that is described.
        reference: What it is called, with its tag.
        platforms: All platforms that the name stands for; none where it is just this one.

    Raises:
        UsageError: It is not called anything that can stand on a page.
        BivyError: A layer or the package database is damaged.
    """
    name, tag = split_name(reference)
    report = inspect(image)
    tree, config = report.tree, image.config
    release = os_release(tree.read)
    words = [*config.entrypoint, *config.cmd]
    return Facts(
        name=name, tag=tag,
        description=_told(image, "description"), created=config.created, version=_told(image, "version"),
        digest=report.digest, platform=report.platform,
        platforms=tuple(platforms) or (PlatformFacts(report.platform, report.digest),),
        size=report.size, unpacked=report.unpacked, layers=report.layers, packages=report.packages,
        distributions=tuple(_distributions(tree, report.files)), files=report.files, unowned=report.unowned,
        python=_python(tree, config.variables),
        system=release.get("PRETTY_NAME") or release.get("NAME", ""),
        alpine=_alpine(tree, release),
        musl=next((package.version.rpartition("-r")[0] for package in report.packages if package.name == "musl"), ""),
        command=shlex.join(words), user=config.user or "root", working_dir=config.working_dir or "/",
        ports=tuple(port for port in config.exposed_ports if _PORT.fullmatch(port)), environment=config.variables,
        missing=tuple(program for program in EXPECTED if not _finds(tree, program, config.variables)),
        has_apk=_finds(tree, "apk", config.variables), has_pip=_finds(tree, "pip", config.variables),
        has_database=bool(report.packages),
        repositories=tuple(_repositories(tree)), vendor=_told(image, "vendor"),
    )  # fmt: skip


def _told(image: Image, key: str) -> str:
    """Return what the image says of itself, in its manifest or in a label."""
    return image.annotations.get(_ANNOTATION + key) or image.config.labels.get(_ANNOTATION + key, "")


def _python(tree: Tree, variables: Mapping[str, str]) -> str:
    """Return what the image says that its Python is, if that one is there; else the newest series that is."""
    series = {found[1] for path in tree.entries if (found := _PROGRAM.fullmatch(path))}
    told = _VERSION.fullmatch(variables.get("PYTHON_VERSION", ""))
    if told and told[1] in series:
        return told[0]
    return max(series, key=lambda one: int(one.partition(".")[2]), default="")


def _alpine(tree: Tree, release: Mapping[str, str]) -> str:
    if release.get("ID") != "alpine":
        return ""
    told = (tree.read("etc/alpine-release") or b"").decode("utf-8", "replace")
    found = _RELEASE.match(told) or _RELEASE.match(release.get("VERSION_ID", ""))
    return found[0] if found else ""


def _repositories(tree: Tree) -> Iterable[str]:
    lines = (tree.read("etc/apk/repositories") or b"").decode("utf-8", "replace").splitlines()
    told = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    return told[:_MOST_REPOSITORIES]


def _finds(tree: Tree, program: str, variables: Mapping[str, str]) -> bool:
    folders = variables.get("PATH", _PATH).split(":")
    return any(tree.resolve(posixpath.join(folder.strip("/"), program)) for folder in folders if folder)


def _distributions(tree: Tree, files: Iterable[FileReport]) -> Iterable[Distribution]:
    """Yield what pip would list, by name; what its metadata does not say, or says wrongly, is left out."""
    found = []
    sizes = {file.path: file.size for file in files}
    for path in sizes:
        if _METADATA.fullmatch(path):
            content = tree.read(path) or b""
            message = BytesHeaderParser().parsebytes(content)
            name, version = str(message["Name"] or ""), str(message["Version"] or "")
            if name and version:
                found.append(Distribution(name, version, license_of(content), _recorded(tree, path, sizes)))
    return sorted(found, key=lambda one: (one.name.lower(), one.version))


def _recorded(tree: Tree, metadata: str, sizes: Mapping[str, int]) -> int:
    """Add up the files that a distribution's list has (RECORD of the wheel format), as far as they are there."""
    folder = posixpath.dirname(metadata)
    lines = (tree.read(f"{folder}/RECORD") or b"").decode("utf-8", "replace").splitlines()
    named = {posixpath.normpath(f"{posixpath.dirname(folder)}/{line.split(',')[0]}") for line in lines if line}
    return sum(sizes.get(path, 0) for path in named)
