"""Packages that the tests of several modules start from."""

from __future__ import annotations

from bivy.apk.entry import Entry, Kind
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package, read_package, write_package

DATE = 1_700_000_000

INFO = PackageInfo(
    name="demo",
    version="1.2.3_rc1-r4",
    arch="x86_64",
    description="A demonstration, with ümläuts",
    url="https://example.org/demo",
    license="MIT OR Apache-2.0",
    origin="demo-origin",
    commit="0123456789abcdef0123456789abcdef01234567",
    maintainer="Someone <someone@example.org>",
    packager="bivy",
    build_date=DATE,
    depends=("!demo-old", "so:libz.so.1", "base>=1.0"),
    provides=("cmd:demo=1.2.3_rc1-r4", "so:libdemo.so.1=1.0.0"),
    replaces=("demo-old", "demo-older<2"),
    install_if=("base", "docs"),
    triggers=("/usr/share/demo", "/usr/lib/*"),
    provider_priority=7,
    replaces_priority=3,
)

SCRIPTS = {
    "post-install": b"#!/bin/sh\necho installed $1 > /demo-installed\n",
    "trigger": b'#!/bin/sh\necho "$@" > /demo-triggered\n',
}


def file(path: str, content: bytes = b"", mode: int = 0o644, **more: object) -> Entry:
    return Entry(path, Kind.FILE, mode, mtime=DATE, content=content, **more)  # type: ignore[arg-type]


def folder(path: str, mode: int = 0o755, **more: object) -> Entry:
    return Entry(path, Kind.DIRECTORY, mode, mtime=DATE, **more)  # type: ignore[arg-type]


def symlink(path: str, target: str) -> Entry:
    return Entry(path, Kind.SYMLINK, 0o777, mtime=DATE, target=target)


def hardlink(path: str, target: str, mode: int = 0o644) -> Entry:
    return Entry(path, Kind.HARDLINK, mode, mtime=DATE, target=target)


LONG = "usr/share/demo/" + "long-" * 25 + "name"

ENTRIES = (
    folder("usr"),
    folder("usr/bin"),
    file("usr/bin/demo", b"#!/bin/sh\necho demo\n", 0o755),
    hardlink("usr/bin/demo-again", "usr/bin/demo", 0o755),
    symlink("usr/bin/demo-link", "demo"),
    folder("usr/share"),
    folder("usr/share/demo", 0o1777, uid=33, gid=34, user="demouser", group="demogroup"),
    file("usr/share/demo/Főtanúsítvány.txt", "ű".encode() * 700, 0o4755),
    file("usr/share/demo/empty", b"", 0o600),
    symlink("usr/share/demo/far", "/" + LONG),
    file(LONG, b"long"),
)


def demo(**changes: object) -> Package:
    """Return the demonstration package as it is read back from its file."""
    return read_package(write_package(INFO, ENTRIES, SCRIPTS, **changes))  # type: ignore[arg-type]
