"""Small images that pass every reading, and what can be planted in them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bivy.apk.database import Access, InstalledFile, InstalledFolder, InstalledPackage, format_installed
from bivy.apk.entry import Entry, Kind
from bivy.apk.index import IndexEntry
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import layer_from_tree
from bivy.rootfs.tree import Tree
from tests.elves import Linker
from tests.rootfs.trees import file, folder, symlink

DATABASE = "lib/apk/db/installed"
SITE = "usr/local/lib/python3.14/site-packages"
TITLE = "org.opencontainers.image.title"
ANNOTATIONS = {
    TITLE: "python:3.14-alpine", "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
    "org.opencontainers.image.licenses": "MIT AND (BSD-3-Clause OR GPL-2.0-or-later)",
    "org.opencontainers.image.url": "https://www.python.org/",
}  # fmt: skip
CONFIG = ImageConfig(
    "amd64", created="2026-01-01T00:00:00Z", env=("PATH=/usr/local/bin:/bin", "PYTHON_VERSION=3.14.7"),
    cmd=("python3",),
)  # fmt: skip
# What a linker is told so that every check of ELF files passes.
HARD = ("-znow", "-zrelro", "-s")


@dataclass(frozen=True)
class Plan:
    """What an image is made of.

    Attributes:
        entries: Its files.
        licences: What the package that they belong to says of its licence.
        late: Files that no package knows of.
        doubly: Paths that a second package has too.
        config: How it starts.
        annotations: What its manifest says of it.
    """

    entries: tuple[Entry, ...]
    licences: str = "MIT"
    late: tuple[Entry, ...] = ()
    doubly: tuple[str, ...] = ()
    config: ImageConfig = CONFIG
    annotations: Mapping[str, str] = field(default_factory=lambda: ANNOTATIONS)

    def having(self, *entries: Entry) -> Plan:
        """Return the plan with more files, or others in the place of some."""
        paths = {entry.path for entry in entries}
        return replace(self, entries=(*(e for e in self.entries if e.path not in paths), *entries))

    def without(self, *paths: str) -> Plan:
        """Return the plan without some files."""
        return replace(self, entries=tuple(entry for entry in self.entries if entry.path not in paths))


def small_plan(linker: Linker) -> Plan:
    """Return a root with a loader, a library, a program, accounts and a distribution: nothing is wrong with it."""
    record = f"thing.py,{_hash(b'answer = 42')},11\nthing-1.0.dist-info/METADATA,,\nthing-1.0.dist-info/RECORD,,\n"
    return Plan((
        folder("tmp", 0o1777), folder("proc"), folder("run"),
        file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nmail:x:8:12:mail:/var/mail:/sbin/nologin\n"),
        file("etc/group", b"root:x:0:root\nshadow:x:42:\n"),
        file("etc/shadow", b"root:*::0:::::\nmail:!::0:::::\n", 0o640, gid=42),
        file("etc/alpine-release", b"3.24.1\n"), symlink("etc/mtab", "../proc/mounts"),
        file("lib/ld-musl-x86_64.so.1", loader(linker), 0o755),
        symlink("lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1"),
        file("usr/lib/libinner.so.1.0", library(linker, "inner"), 0o755),
        symlink("usr/lib/libinner.so.1", "libinner.so.1.0"),
        file("usr/local/bin/python3.14", program(linker), 0o755), symlink("usr/local/bin/python3", "python3.14"),
        file("usr/local/include/python3.14/Python.h", b"/* Python's own */"),
        file(f"{SITE}/thing.py", b"answer = 42"),
        file(f"{SITE}/thing-1.0.dist-info/METADATA", b"Metadata-Version: 2.4\nName: thing\nLicense-Expression: MIT\n"),
        file(f"{SITE}/thing-1.0.dist-info/RECORD", record.encode()),
    ))  # fmt: skip


def _hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def loader(linker: Linker) -> bytes:
    return linker.link("loader/libc.so", "int puts(void) {return 0;}", "-soname=libc.so", *HARD).read_bytes()


def library(linker: Linker, name: str, *flags: str, source: str = "", **more: object) -> bytes:
    """Make a library whose soname is ``libNAME.so.1``."""
    written = source or f"int {name}(void) {{return 0;}}"
    words = (f"-soname=lib{name}.so.1", *(flags or HARD))
    return linker.link(f"lib{name}.so.1", written, *words, **more).read_bytes()  # type: ignore[arg-type]


def program(linker: Linker) -> bytes:
    loads = "--dynamic-linker=/lib/ld-musl-x86_64.so.1"
    return linker.link("program", "void _start(void) {}", loads, *HARD, kind="-pie").read_bytes()


def make(plan: Plan, *, change: Callable[[Entry], Entry] = lambda entry: entry) -> Image:
    """Make an image.

    Args:
        plan: What of.
        change: What becomes of a file once the database knows it.
    """
    tree = Tree.of(plan.entries)
    packages = [package("all", tree.entries.values(), plan.licences)]
    if plan.doubly:
        packages.append(package("another", [tree.entries[path] for path in plan.doubly], "MIT"))
    database = file(DATABASE, format_installed(packages).encode())
    whole = Tree.of([*(change(entry) for entry in tree.entries.values()), *plan.late, database])
    return make_image(plan.config, [layer_from_tree(whole, created_by="a test")], plan.annotations)


def package(name: str, entries: Iterable[Entry], licence: str) -> InstalledPackage:
    """Return what the database says of a package that has some files."""
    folders: dict[str, list[InstalledFile]] = {}
    for entry in entries:
        if entry.kind is not Kind.DIRECTORY:
            above, _, own = entry.path.rpartition("/")
            content = entry.target.encode() if entry.kind is Kind.SYMLINK else entry.content
            checksum = "Q1" + base64.b64encode(hashlib.sha1(content).digest()).decode()
            access = Access(0o777 if entry.kind is Kind.SYMLINK else entry.mode, entry.uid, entry.gid)
            folders.setdefault(above, []).append(InstalledFile(own, access, checksum))
    key = "Q1" + base64.b64encode(hashlib.sha1(name.encode()).digest()).decode()
    listed = tuple(InstalledFolder(path, files=tuple(files)) for path, files in sorted(folders.items()))
    return InstalledPackage(IndexEntry(key, name, "1.0-r0", license=licence), folders=listed)


def linker_in(folder_: Path, arch: str = "x86_64") -> Linker:
    return Linker(folder_, arch)


def failed(outcomes: Sequence[object]) -> list[str]:
    """Return the names of the checks that failed."""
    from bivy.verify.report import Outcome, Status

    return [each.name for each in outcomes if isinstance(each, Outcome) and each.status is Status.FAILED]
