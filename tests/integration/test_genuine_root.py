"""Genuine apk-tools go on from a root that bivy changed, bivy from one that they changed; both do the same."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bivy.apk.database import format_installed, parse_installed
from bivy.apk.index import write_index
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package, read_info, read_package, write_package
from bivy.apk.sign import Signer, format_public_key, generate_key
from bivy.apk.system.audit import Mode, audit
from bivy.apk.system.root import Root, locked, read_state
from bivy.apk.tar import read_members
from tests.apk.installing import Job, finished, installed, snapshot, transact
from tests.apk.samples import DATE, file, folder, hardlink, symlink
from tests.integration.test_genuine_apk import ROOT, Genuine, pytestmark, root_options

__all__ = ["pytestmark"]
LOG = '#!/bin/sh\necho "{0} $*" >> /srv/log\n'
KINDS = ("pre-install", "post-install", "pre-upgrade", "post-upgrade", "pre-deinstall", "post-deinstall", "trigger")


def packages() -> dict[str, bytes]:
    """Return the files of packages by name and version."""
    signer = Signer(generate_key(2048), "tests@example.org-0001.rsa.pub")
    made: dict[str, bytes] = {"key": format_public_key(signer.key.public).encode()}
    for version in ("1-r0", "2-r0"):
        info = PackageInfo("tool", version, "x86_64", license="MIT", build_date=DATE, depends=("data", "/bin/sh"))
        info = replace(info, triggers=("/opt/*", "/usr/bin"))
        entries = [
            file("usr/bin/tool", f"#!/bin/sh\necho {version}\n".encode(), 0o755),
            hardlink("usr/bin/tool-again", "usr/bin/tool", 0o755),
            symlink("usr/bin/tool-link", "tool"),
            file("etc/tool.conf", version.encode()),
            file("etc/tool.own", version.encode()),
            file(f"usr/share/tool/only-{version}", b"x"),
        ]
        scripts = {kind: LOG.format(f"tool-{version}.{kind}").encode() for kind in KINDS}
        made[f"tool-{version}"] = write_package(info, entries, scripts, signer=signer)
    info = PackageInfo("data", "1-r0", "x86_64", license="MIT", build_date=DATE)
    made["data-1-r0"] = write_package(info, [folder("opt", 0o750), file("opt/data/x", b"data")], signer=signer)
    index = [read_info(content) for name, content in made.items() if name != "key"]
    made["index"] = write_index(index, "both", signer)
    made["index-1"] = write_index([it for it in index if it.info.version == "1-r0"], "first", signer)
    return made


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    return packages()


@pytest.fixture
def place(tmp_path: Path, made: dict[str, bytes]) -> Path:
    """A folder with a repository and two copies of the genuine root."""
    arch = tmp_path / "repository" / "x86_64"
    arch.mkdir(parents=True)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/tests@example.org-0001.rsa.pub").write_bytes(made["key"])
    (tmp_path / "repositories").write_text("/mnt/repository\n")
    for name in ("tool-1-r0", "tool-2-r0", "data-1-r0"):
        (arch / f"{name}.apk").write_bytes(made[name])
    for name in ("ours", "theirs"):
        shutil.copytree(ROOT or "", tmp_path / name, symlinks=True)
        (tmp_path / name / "srv").mkdir(exist_ok=True)
    return tmp_path


def offer(place: Path, made: dict[str, bytes], index: str) -> None:
    (place / "repository/x86_64/APKINDEX.tar.gz").write_bytes(made[index])


def ours(place: Path, *new: Package, remove: tuple[str, ...] = (), root: str = "ours") -> None:
    done = finished(Job(place / root, new=new, remove=remove, world=("tool",) if new else ()))
    assert done.fault == ""
    assert done.told.of("error") == []


def theirs(place: Path, *words: str, root: str = "theirs") -> str:
    return Genuine(place).apk(*root_options(f"/mnt/{root}"), *words)


def compare(place: Path) -> None:
    """See that both roots are the same, but for what says when or by whom."""
    kept = {name: snapshot(place / name) for name in ("ours", "theirs")}
    scripts = {name: found.pop("lib/apk/db/scripts.tar") for name, found in kept.items()}
    for found in kept.values():
        for path in list(found):
            # apk mounts /proc, and makes the folder of its cache, which it was told to leave alone.
            if path.startswith(("proc", "var/cache", "dev")):
                del found[path]
    members = [set(read_members(content[3], name)) for name, content in scripts.items()]  # type: ignore[arg-type]
    assert members[0] == members[1]
    # The order in which a trigger is told of folders is that of apk's hash table.
    logs = [[sorted(line.split()) for line in str(found.pop("srv/log")[3]).split("\\n")] for found in kept.values()]
    assert logs[0] == logs[1]
    assert {path: it for path, it in kept["ours"].items() if kept["theirs"].get(path) != it} == {}
    assert kept["theirs"].keys() - kept["ours"].keys() == set()


def test_the_same_transactions_leave_the_same_root(place: Path, made: dict[str, bytes]) -> None:
    first, second, data = (read_package(made[name]) for name in ("tool-1-r0", "tool-2-r0", "data-1-r0"))
    offer(place, made, "index-1")
    theirs(place, "add", "tool")
    ours(place, data, first)
    compare(place)
    for name in ("ours", "theirs"):
        (place / name / "etc/tool.own").write_text("mine")
    offer(place, made, "index")
    theirs(place, "upgrade", "tool")
    ours(place, second)
    compare(place)
    assert (place / "ours/etc/tool.own.apk-new").exists()
    theirs(place, "del", "tool")
    ours(place, remove=("tool", "data"))
    compare(place)


def test_each_goes_on_from_what_the_other_left(place: Path, made: dict[str, bytes]) -> None:
    first, second, data = (read_package(made[name]) for name in ("tool-1-r0", "tool-2-r0", "data-1-r0"))
    root = place / "ours"
    ours(place, data, first)
    offer(place, made, "index")
    assert "tool-1-r0" in theirs(place, "info", "-v", root="ours")
    assert theirs(place, "audit", "--system", "--check-permissions", root="ours") in ("", "m proc/\n")
    said = theirs(place, "upgrade", "tool", root="ours")
    assert "Upgrading tool (1-r0 -> 2-r0)" in said
    assert "Executing tool-2-r0.post-upgrade" in said
    text = (root / "lib/apk/db/installed").read_text()
    with Root(str(root)) as opened:
        state = read_state(opened)
        assert format_installed(state.installed) == text
        assert state.installed == parse_installed(text)
        found = audit(opened, state, Mode.SYSTEM, check_permissions=True)
        assert [it for it in found if it.path != "proc/"] == []
    ours(place, remove=("tool",))
    assert "data-1-r0" in theirs(place, "info", "-v", root="ours")
    ours(place, second)
    theirs(place, "del", "tool", root="ours")
    assert "tool" not in installed(root)
    assert not (root / "usr/bin/tool").exists()


def test_what_differs_is_the_same_for_both(place: Path, made: dict[str, bytes]) -> None:
    ours(place, read_package(made["data-1-r0"]), read_package(made["tool-1-r0"]))
    root = place / "ours"
    (root / "usr/bin/tool").write_text("changed")
    (root / "opt/data/x").unlink()
    (root / "etc/tool.conf").write_text("changed")
    (root / "etc/new/deep").mkdir(parents=True)
    (root / "etc/new/deep/file").touch()
    (root / "bin/busybox").chmod(0o700)
    for mode in Mode:
        for recursive in (False, True):
            words = [f"--{mode.value}", "--check-permissions", *(["--recursive"] if recursive else [])]
            said = set(theirs(place, "audit", *words, root="ours").splitlines())
            with Root(str(root)) as opened:
                found = audit(opened, read_state(opened), mode, recursive=recursive, check_permissions=True)
                assert {f"{it.reason} {it.path}" for it in found} == said, words


def test_two_at_once_keep_out_of_each_other_s_way(place: Path, made: dict[str, bytes]) -> None:
    offer(place, made, "index-1")
    with Root(str(place / "ours")) as opened, locked(opened):
        done = Genuine(place).run("apk", *root_options("/mnt/ours"), "add", "tool")
    assert done.returncode != 0
    assert "Unable to lock database" in done.stderr
    theirs(place, "add", "tool", root="ours")
    assert installed(place / "ours")["tool"] == "1-r0"


def test_a_package_that_bivy_marked_is_fixed_by_apk(place: Path, made: dict[str, bytes]) -> None:
    offer(place, made, "index-1")
    first = read_package(made["tool-1-r0"])
    failing = replace(first, scripts={**first.scripts, "post-install": b"#!/bin/sh\nexit 1\n"})
    done = finished(Job(place / "ours", new=(read_package(made["data-1-r0"]), failing), world=("tool",)))
    assert done.errors == 1
    assert installed(place / "ours")["tool"] == "1-r0 s"
    theirs(place, "fix", root="ours")
    assert installed(place / "ours")["tool"] == "1-r0"


def test_packages_that_do_not_change_stay_in_the_database_to_the_letter(place: Path) -> None:
    before = (place / "ours/lib/apk/db/installed").read_text()
    transact(place / "ours")
    assert (place / "ours/lib/apk/db/installed").read_text() == before
