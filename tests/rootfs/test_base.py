"""Root filesystems from archives, and packages on top of them."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.apk.database import database_entries, parse_installed, parse_scripts, parse_triggers, recorded
from bivy.apk.entry import Entry, Kind
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package
from bivy.apk.tar import end_of_archive, write_members
from bivy.arch import ARCHES
from bivy.errors import BivyError
from bivy.rootfs import base as module
from bivy.rootfs.base import BaseRootfs, read_base_rootfs
from bivy.rootfs.install import Root, database_tree, install_root
from bivy.rootfs.scripts import run_scripts
from bivy.rootfs.tree import Tree, merge
from tests.rootfs.trees import contents, file, folder, hardlink, symlink

GENUINE = os.environ.get("BIVY_GENUINE_APK_ROOT")
genuine = pytest.mark.skipif(
    GENUINE is None, reason="BIVY_GENUINE_APK_ROOT names no unpacked root filesystem of Alpine 3.18 to 3.20"
)


def package(name: str, *entries: Entry, version: str = "1-r0", scripts: dict[str, bytes] | None = None,
            **more: object) -> Package:  # fmt: skip
    info = replace(PackageInfo(name, version, "x86_64", "", "", "MIT"), **more)  # type: ignore[arg-type]
    return Package(info, entries, scripts or {}, f"Q1{name}{version}", 0)


LAYOUT = package(
    "layout", folder("etc"), file("etc/motd", b"hello"), file("etc/issue", b"issue"), folder("tmp", 0o1777)
)
TOOL = package(
    "tool", folder("usr"), folder("usr/bin"), file("usr/bin/tool", b"old", 0o4755),
    hardlink("usr/bin/too", "usr/bin/tool"), file("usr/bin/gone", b"x"), file("etc/tool.conf", b"as packaged"),
    scripts={"trigger": b"#!/bin/sh\n", "post-upgrade": b"#!/bin/sh\n"}, triggers=("/usr/*",), origin="tools",
)  # fmt: skip
EXTRA = (file("etc/alpine-release", b"3.20.3\n"), symlink("usr/bin/applet", "tool"), file("etc/made", b"by a script"))


def rootfs_of(
    *packages: Package, extra: tuple[Entry, ...] = EXTRA, world: tuple[str, ...] = ("layout", "tool~1")
) -> Tree:
    """The tree of a root filesystem with some packages installed."""
    (tree,) = install_root([packages]).trees
    tree = merge(tree, [*(entry for entry in extra), folder("lib")])
    return merge(tree, database_entries(packages, world, "x86_64"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A function that packs entries, as GNU tar packs a folder, and returns the archive's path."""

    def write(entries: Tree, form: int = tarfile.GNU_FORMAT, *, compress: bool = True) -> Path:
        memory = io.BytesIO()
        with tarfile.open(fileobj=memory, mode="w", format=form) as archive:
            root = tarfile.TarInfo("./")
            root.type = tarfile.DIRTYPE
            archive.addfile(root)
            for entry in sorted(entries.entries.values(), key=lambda each: each.kind is Kind.HARDLINK):
                archive.addfile(member_of(entry), io.BytesIO(entry.content))
        path = tmp_path / "rootfs.tar.gz"
        path.write_bytes(gzip.compress(memory.getvalue()) if compress else memory.getvalue())
        return path

    return write


def member_of(entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"./{entry.path}")
    member.mode, member.uid, member.gid, member.mtime = entry.mode, entry.uid, entry.gid, entry.mtime
    member.size = len(entry.content)
    member.linkname = f"./{entry.target}" if entry.kind is Kind.HARDLINK else entry.target
    member.type = {
        Kind.FILE: tarfile.REGTYPE, Kind.DIRECTORY: tarfile.DIRTYPE, Kind.SYMLINK: tarfile.SYMTYPE,
        Kind.HARDLINK: tarfile.LNKTYPE,
    }[entry.kind]  # fmt: skip
    return member


@pytest.fixture
def base(write: Callable[..., Path]) -> BaseRootfs:
    return read_base_rootfs(write(rootfs_of(LAYOUT, TOOL)))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("compress", [True, False])
def test_a_base_is_its_tree_and_what_apk_knows_of_it(write: Callable[..., Path], form: int, *, compress: bool) -> None:
    far = symlink("usr/bin/far", "/" + "long/" * 40 + "target") if form != tarfile.USTAR_FORMAT else symlink("far", "x")
    deep = file("usr/share/" + "long-" * 30 + "name", b"deep") if form != tarfile.USTAR_FORMAT else file("deep")
    tree = rootfs_of(LAYOUT, TOOL, extra=(*EXTRA, far, deep))
    base = read_base_rootfs(write(tree, form, compress=compress))
    database = {f"lib/apk/db/{name}" for name in ("installed", "lock", "scripts.tar", "triggers")}
    kept = {
        path: seen for path, seen in contents(tree).items() if path not in database | {"etc/apk/world", "etc/apk/arch"}
    }
    assert contents(base.tree) == kept
    assert (base.tree.entries["tmp"].mode, base.tree.entries["usr/bin/tool"].mode) == (0o1777, 0o4755)
    assert (base.world, base.arch, base.release) == (("layout", "tool~1"), "x86_64", "3.20.3")
    assert base.packages == (recorded(LAYOUT), recorded(TOOL))


def test_a_database_behind_a_link_is_found(write: Callable[..., Path]) -> None:
    moved = [replace(entry, path=f"usr/{entry.path}") if entry.path.startswith("lib") else entry
             for entry in rootfs_of(LAYOUT, TOOL).entries.values()]  # fmt: skip
    base = read_base_rootfs(write(Tree.of([*moved, symlink("lib", "usr/lib")])))
    assert base.packages == (recorded(LAYOUT), recorded(TOOL))
    assert not {"usr/lib/apk/db/installed", "usr/lib/apk/db/scripts.tar"} & set(base.tree.entries)
    tree = database_tree(install_root([], base), base.world, base.arch)
    assert {"usr/lib/apk/db/installed", "etc/apk/world"} < set(tree.entries)
    assert "lib" not in tree.entries


def test_without_its_own_word_the_architecture_is_the_packages(write: Callable[..., Path]) -> None:
    tree = rootfs_of(LAYOUT)
    without = Tree.of(entry for path, entry in tree.entries.items() if path != "etc/apk/arch")
    assert read_base_rootfs(write(without)).arch == "x86_64"


def raw(*members: tarfile.TarInfo) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return memory.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (raw(member("/etc/passwd")), "'/etc/passwd' is not a path inside a tree"),
        (raw(member("./../x")), "is not a path inside a tree"),
        (raw(member("a"), member("./a")), "/a is there twice"),
        (raw(member("dev/sda", tarfile.BLKTYPE)), "dev/sda is a block device"),
        (raw(member("dev/null", tarfile.CHRTYPE)), "dev/null is a character device"),
        (raw(member("a", tarfile.SYMTYPE, "/etc"), member("a/passwd")), "/a/passwd is below /a, which is a symlink"),
        (raw(member("a", tarfile.LNKTYPE, "../../etc/shadow")), "is not a path inside a tree"),
        (raw(member("a", tarfile.LNKTYPE, "b")), "/a is another name of /b, which is not a file"),
        (raw(member("./")), "is not a root filesystem of Alpine's: it has no /lib/apk/db/installed"),
        (b"", "is not a root filesystem of Alpine's"),
        (b"PK\3\4", "truncated"),
        (gzip.compress(raw(member("x")), mtime=0)[:-30], "is truncated"),
        (b"\x1f\x8b" + bytes(20), "is damaged"),
        (gzip.compress(bytes(1 << 20), mtime=0), "unpacks to more than 0 MB"),
        (bytes(1 << 20), "is larger than 0 MB"),
    ],
)
def test_what_is_no_base_or_a_hostile_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 19)
    path = tmp_path / "base.tar.gz"
    path.write_bytes(content)
    with pytest.raises(BivyError, match=message) as fault:
        read_base_rootfs(path)
    assert str(path) in str(fault.value)


def test_a_base_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match=r"cannot read the base root filesystem .*: No such file"):
        read_base_rootfs(tmp_path / "none")


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("lib/apk/db/installed", b"P:a\nV:1\n\n", "line 1: the field C is missing"),
        ("lib/apk/db/installed", b"\xff", "is not UTF-8"),
        ("lib/apk/db/scripts.tar", b"x" * 512, "no tar header"),
        (
            "lib/apk/db/scripts.tar",
            write_members([file("strange")]) + end_of_archive(),
            "is not the script of a package",
        ),
    ],
)
def test_a_damaged_database_is_told(write: Callable[..., Path], path: str, content: bytes, message: str) -> None:
    tree = merge(rootfs_of(LAYOUT), [file(path, content)])
    with pytest.raises(BivyError, match=message):
        read_base_rootfs(write(tree))


@settings(max_examples=60)
@given(st.binary(max_size=600), st.integers(0, 4000))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int) -> None:
    sound = write_members(rootfs_of(LAYOUT, TOOL).entries.values()) + end_of_archive()
    path = tmp_path_factory.mktemp("any") / "x"
    for content in (noise, sound[:place] + noise + sound[place + len(noise) :]):
        path.write_bytes(content)
        with contextlib.suppress(BivyError):
            read_base_rootfs(path)


def names(root: Root) -> list[str]:
    return [each.installed.entry.name for each in root.below] + [each.info.name for each in root.packages]


def files_of(database: Tree, name: str) -> set[str]:
    text = (database.read("lib/apk/db/installed") or b"").decode()
    (found,) = (each for each in parse_installed(text) if each.entry.name == name)
    return {f"{folder.path}/{file.name}" for folder in found.folders for file in folder.files}


def test_packages_are_added_to_a_base_and_to_its_database(base: BaseRootfs) -> None:
    new = package(
        "new",
        folder("usr"),
        folder("usr/bin"),
        file("usr/bin/new", b"new"),
        scripts={"trigger": b"x"},
        triggers=("/x",),
    )
    root = install_root([[new]], base)
    assert root.trees[0] == base.tree
    assert contents(root.trees[1]) == {"usr": "/", "usr/bin": "/", "usr/bin/new": b"new"}
    database = database_tree(root, [*base.world, "new"], base.arch)
    ours = database_entries([LAYOUT, TOOL, new], ["layout", "tool~1", "new"], "x86_64")
    assert {entry.path: entry.content for entry in ours} == {
        entry.path: entry.content for entry in database.entries.values() if entry.path not in ("etc", "lib")
    }


def test_a_file_of_the_base_s_packages_is_no_other_s(base: BaseRootfs) -> None:
    new = package("new", file("usr/bin/tool", b"new"))
    with pytest.raises(BivyError, match="/usr/bin/tool is in two packages, tool and new"):
        install_root([[new]], base)


@pytest.mark.parametrize(
    ("more", "wins"),
    [
        ({"replaces": ("tool",)}, True), ({"replaces": ("tool<2",)}, True), ({"replaces": ("tool<1",)}, None),
        ({"origin": "tools"}, True), ({"origin": "other"}, None),
    ],
)  # fmt: skip
def test_a_package_takes_over_files_that_it_replaces_or_that_are_of_its_own_source(
    base: BaseRootfs, more: dict[str, Any], wins: bool | None
) -> None:
    new = package("new", file("usr/bin/tool", b"new"), **more)
    if wins is None:
        with pytest.raises(BivyError, match="is in two packages"):
            install_root([[new]], base)
        return
    root = install_root([[new]], base)
    assert root.trees[1].read("usr/bin/tool") == b"new"
    assert merge(root.trees[0], root.trees[1].entries.values()).read("usr/bin/too") == b"old"
    database = database_tree(root, [], "x86_64")
    assert files_of(database, "new") == {"usr/bin/tool"}
    assert files_of(database, "tool") == {"usr/bin/too", "usr/bin/gone", "etc/tool.conf"}


@pytest.mark.parametrize(("ours", "theirs", "stays"), [(5, 1, b"new"), (1, 5, b"old"), (1, 1, b"new")])
def test_of_two_that_replace_each_other_the_priority_decides(ours: int, theirs: int, stays: bytes) -> None:
    old = package("old", file("x", b"old"), replaces=("new",), replaces_priority=theirs)
    new = package("new", file("x", b"new"), replaces=("old",), replaces_priority=ours)
    root = install_root([[old, new]])
    assert root.trees[0].read("x") == stays
    assert sum(len(each.entries) for each in root.packages) == 1


def test_what_no_package_brought_is_replaced_but_configuration_stays(base: BaseRootfs) -> None:
    new = package("new", file("usr/bin/applet", b"real", 0o755), file("etc/made", b"packaged"))
    root = install_root([[new]], base)
    assert contents(root.trees[1]) == {
        "etc": "/", "etc/made.apk-new": b"packaged", "usr": "/", "usr/bin": "/", "usr/bin/applet": b"real",
    }  # fmt: skip
    assert files_of(database_tree(root, [], "x86_64"), "new") == {"usr/bin/applet", "etc/made"}


def test_a_folder_of_the_base_s_is_no_file(base: BaseRootfs) -> None:
    with pytest.raises(BivyError, match="/usr/bin is a file in new, and a directory in"):
        install_root([[package("new", file("usr/bin"))]], base)
    with pytest.raises(BivyError, match="/usr/bin/applet is a directory in new, and a symlink in the base"):
        install_root([[package("new", folder("usr/bin/applet"))]], base)


def test_a_newer_version_takes_the_place_of_the_base_s(write: Callable[..., Path]) -> None:
    changed = merge(rootfs_of(LAYOUT, TOOL), [file("etc/motd", b"changed")])
    base = read_base_rootfs(write(changed))
    tool = package("tool", file("usr/bin/tool", b"new", 0o755), version="2-r0", origin="tools")
    layout = package("layout", file("etc/motd", b"newer"), file("etc/issue", b"newer issue"), version="2-r0")
    root = install_root([[layout, tool]], base)
    merged = contents(merge(root.trees[0], root.trees[1].entries.values()))
    assert {path for path in merged if path.startswith(("usr/", "etc/t"))} == {
        "usr/bin",
        "usr/bin/tool",
        "usr/bin/applet",
    }
    assert merged["usr/bin/tool"] == b"new"
    assert merged["etc/issue"] == b"newer issue"
    assert (merged["etc/motd"], merged["etc/motd.apk-new"]) == (b"changed", b"newer")
    assert names(root) == ["layout", "tool"]
    assert files_of(database_tree(root, [], "x86_64"), "tool") == {"usr/bin/tool"}


def packages_of(root: Path) -> list[Package]:
    """The packages that a genuine root filesystem was made of, from its database and its files."""
    text = (root / "lib/apk/db/installed").read_text()
    scripts = parse_scripts((root / "lib/apk/db/scripts.tar").read_bytes())
    triggers = parse_triggers((root / "lib/apk/db/triggers").read_text())
    found = []
    for installed in parse_installed(text):
        entry = installed.entry
        entries = []
        for each in installed.folders:
            access = each.access
            if each.path:
                entries.append(Entry(each.path, Kind.DIRECTORY, access.mode, access.uid, access.gid))
            for one in each.files:
                path = f"{each.path}/{one.name}"
                made = Entry(path, Kind.FILE, one.access.mode, one.access.uid, one.access.gid)
                place = root / path
                if place.is_symlink():
                    made = replace(made, kind=Kind.SYMLINK, target=str(place.readlink()))
                else:
                    made = replace(made, content=place.read_bytes())
                entries.append(made)
        info = replace(
            PackageInfo(entry.name, entry.version, entry.arch), triggers=triggers.get(entry.checksum, ()),
            replaces=installed.replaces, origin=entry.origin, depends=entry.depends,
        )  # fmt: skip
        found.append(Package(info, tuple(entries), scripts.get(entry.checksum, {}), entry.checksum, entry.size))
    first = ["alpine-baselayout-data", "musl", "busybox", "busybox-binsh", "alpine-baselayout"]
    return sorted(found, key=lambda each: first.index(each.info.name) if each.info.name in first else len(first))


@genuine
def test_genuine_packages_with_their_scripts_become_the_genuine_root_filesystem(tmp_path: Path) -> None:
    root = Path(GENUINE or "")
    packages = packages_of(root)
    made = install_root([packages])
    done = run_scripts(made.trees, made.packages, arch=ARCHES["x86_64"], scratch=tmp_path, epoch=1_767_225_600)
    tree = merge(done.trees[0], done.changes.entries.values())
    theirs = {str(path.relative_to(root)) for path in root.rglob("*")}
    # Alpine makes these archives without running scripts, and links busybox's applets itself: no user klogd.
    accounts = {"etc/passwd", "etc/group", "etc/shadow"}
    apks = {path for path in theirs if path.startswith(("etc/apk", "lib/apk/db"))} | {"lib/apk", "var/cache/apk"}
    only_ours = set(tree.entries) - theirs
    assert {path for path in only_ours if not path.startswith(("dev/", "etc/apk"))} == {f"{path}-" for path in accounts}
    # What the archive's makers put there themselves.
    alone = {
        "etc/alpine-release",
        "etc/issue",
        "etc/os-release",
        "etc/secfixes.d",
        "etc/secfixes.d/alpine",
        "usr/lib/os-release",
    }
    assert theirs - set(tree.entries) - apks - alone == set()
    other_modes = {"proc", "lib/apk/exec"}
    for path in sorted(theirs & set(tree.entries) - accounts - apks):
        entry, place = tree.entries[path], root / path
        if entry.kind is Kind.SYMLINK:
            assert entry.target == str(place.readlink()), path
        elif path not in other_modes:
            assert entry.mode & 0o1777 == stat.S_IMODE(place.lstat().st_mode) & 0o1777, path
        if entry.kind is Kind.FILE:
            assert entry.content == place.read_bytes(), path
    assert (tree.read("etc/passwd") or b"").endswith(b"klogd:x:100:101:klogd:/dev/null:/sbin/nologin\n")
    assert (tree.entries["etc/shadow"].mode, tree.entries["etc/shadow"].gid) == (0o640, 42)
    again = run_scripts(made.trees, made.packages, arch=ARCHES["x86_64"], scratch=tmp_path / "b", epoch=1_767_225_600)
    assert again == done


@genuine
def test_a_genuine_database_is_written_again_as_it_was(tmp_path: Path) -> None:
    root = Path(GENUINE or "")
    path = tmp_path / "rootfs.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        archive.add(root, ".", filter=lambda found: None if found.isdev() else found)
    base = read_base_rootfs(path)
    made = database_tree(install_root([], base), base.world, base.arch)
    assert made.read("lib/apk/db/installed") == (root / "lib/apk/db/installed").read_bytes()
    assert made.read("lib/apk/db/triggers") == (root / "lib/apk/db/triggers").read_bytes()
    assert made.read("etc/apk/world") == (root / "etc/apk/world").read_bytes()
    assert base.release == (root / "etc/alpine-release").read_text().strip()
