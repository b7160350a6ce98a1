from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bivy.apk.database import format_installed, installed_package, parse_installed
from bivy.apk.errors import ApkError
from bivy.apk.system import journal
from bivy.apk.system.root import Root, read_state
from bivy.apk.system.transaction import changing
from bivy.apk.tar import read_members
from tests.apk.installing import (
    Job,
    Told,
    copied,
    empty_root,
    finished,
    installed,
    package,
    plain,
    root_with_shell,
    run,
    snapshot,
    transact,
)
from tests.apk.samples import DATE, LONG, demo, file, folder, hardlink, symlink

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return empty_root(tmp_path / "root")


@pytest.fixture
def shelled(tmp_path: Path) -> Path:
    return root_with_shell(tmp_path / "root")


# Files and the database


def test_everything_of_a_package_is_put_in_its_place(root: Path) -> None:
    transact(root, demo())
    share = root / "usr/share/demo"
    assert (root / "usr/bin/demo").read_bytes() == b"#!/bin/sh\necho demo\n"
    assert stat.S_IMODE((root / "usr/bin/demo").stat().st_mode) == 0o755
    assert (root / "usr/bin/demo").stat().st_ino == (root / "usr/bin/demo-again").stat().st_ino
    assert (root / "usr/bin/demo-link").readlink() == Path("demo")
    assert (share / "far").readlink() == Path("/", LONG)
    assert (root / LONG).read_bytes() == b"long"
    assert (share / "empty").stat().st_mtime == DATE
    assert stat.S_IMODE((share / "empty").stat().st_mode) == 0o600
    assert not [place for place in root.rglob("*") if place.name.startswith(".apk.")]
    assert not list((root / "lib/apk/db").glob("journal*"))


@as_root
def test_owners_are_found_by_name_and_setuid_is_kept(root: Path) -> None:
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\ndemouser:x:1033:1034::/:/bin/sh\n")
    transact(root, demo(), chown=True)
    share = root / "usr/share/demo"
    assert (share.stat().st_uid, share.stat().st_gid) == (1033, 34)
    assert stat.S_IMODE(share.stat().st_mode) == 0o1777
    assert stat.S_IMODE((share / "Főtanúsítvány.txt").stat().st_mode) == 0o4755
    assert "M:1033:34:1777\n" in (root / "lib/apk/db/installed").read_text()


def test_without_owners_nothing_is_setuid(root: Path) -> None:
    transact(root, demo(), chown=False)
    assert stat.S_IMODE((root / "usr/share/demo/Főtanúsítvány.txt").stat().st_mode) == 0o755


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_who_is_not_root_is_told_to_leave_owners_out(root: Path) -> None:
    before = snapshot(root)
    with pytest.raises(ApkError, match="only root can give files to their owners") as caught:
        transact(root, plain("a", "a"), chown=True)
    assert "--no-chown" in str(caught.value.hint)
    assert snapshot(root) == before


def test_extended_attributes_are_set(root: Path) -> None:
    try:
        os.setxattr(root, "user.probe", b"x")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    transact(root, package("a", [file("x", b"x", xattrs=(("user.a", b"value"),))]))
    assert os.getxattr(root / "x", "user.a") == b"value"


def test_the_database_says_what_is_installed(root: Path) -> None:
    base, tool = plain("base", "var/base"), demo()
    transact(root, base)
    transact(root, tool)
    db = root / "lib/apk/db"
    text = (db / "installed").read_text()
    assert text == format_installed([installed_package(base), installed_package(tool)])
    assert parse_installed(text) == (installed_package(base), installed_package(tool))
    assert (root / "etc/apk/world").read_text() == "base\ndemo\n"
    assert (db / "triggers").read_text() == f"{tool.checksum} /usr/share/demo /usr/lib/*\n"
    members = read_members((db / "scripts.tar").read_bytes(), "scripts.tar")
    assert {member.entry.path.removeprefix(f"demo-1.2.3_rc1-r4.{tool.checksum}.") for member in members} == {
        "post-install",
        "trigger",
    }
    transact(root, remove=("demo",))
    assert (db / "installed").read_text() == format_installed([installed_package(base)])
    assert (db / "triggers").read_text() == ""
    assert not read_members((db / "scripts.tar").read_bytes(), "scripts.tar")


def test_what_is_removed_leaves_nothing_behind(root: Path) -> None:
    transact(root, plain("base", "usr/base"))
    before = snapshot(root)
    transact(root, demo())
    transact(root, remove=("demo",))
    assert snapshot(root) == before


def test_folders_stay_that_another_package_has_or_in_which_something_is(root: Path) -> None:
    transact(root, plain("a", "srv/both/a", "srv/mine/a", "srv/own/a"), plain("b", "srv/both/b"))
    (root / "srv/mine/letter").write_text("dear")
    transact(root, remove=("a",))
    assert sorted(str(place.relative_to(root / "srv")) for place in (root / "srv").rglob("*")) == [
        "both",
        "both/b",
        "mine",
        "mine/letter",
    ]


def test_an_upgrade_replaces_files_and_removes_those_that_are_gone(root: Path) -> None:
    transact(root, plain("a", "srv/stays", "srv/goes", "srv/old/goes"))
    told = Told()
    transact(root, plain("a", "srv/stays", "srv/comes", content=b"new", version="2-r0"), told=told)
    assert told.of("message") == ["(1/1) Upgrading a (1-r0 -> 2-r0)"]
    assert {place.name: place.read_bytes() for place in (root / "srv").iterdir()} == {"stays": b"new", "comes": b"new"}
    assert installed(root) == {"a": "2-r0"}


def test_what_is_done_is_told_line_by_line(root: Path) -> None:
    told = Told()
    transact(root, plain("a", "a"), plain("b", "b", version="2-r0"), told=told)
    transact(root, plain("b", "b", version="1-r0"), remove=("a",), told=told)
    transact(root, plain("b", "b", version="1-r0"), told=told, tags={"b": "edge"})
    assert told.of("message") == [
        "(1/2) Installing a (1-r0)",
        "(2/2) Installing b (2-r0)",
        "(1/2) Purging a (1-r0)",
        "(2/2) Downgrading b (2-r0 -> 1-r0)",
        "(1/1) Reinstalling b@edge (1-r0)",
    ]
    assert "s:edge\n" in (root / "lib/apk/db/installed").read_text()


def test_a_file_moves_from_a_package_to_another_that_comes_before_it(root: Path) -> None:
    transact(root, plain("old", "srv/moved", "srv/old"))
    transact(root, plain("new", "srv/moved", content=b"new"), plain("old", "srv/old", version="2-r0"))
    assert (root / "srv/moved").read_bytes() == b"new"
    transact(root, remove=("new",))
    assert not (root / "srv/moved").exists()


def test_a_virtual_package_has_no_files(root: Path) -> None:
    plan = demo()
    virtual = replace(
        plan, info=replace(plan.info, name=".deps", installed_size=0, triggers=()), entries=(), scripts={}
    )
    transact(root, virtual)
    assert installed(root) == {".deps": "1.2.3_rc1-r4"}
    transact(root, remove=(".deps",))
    assert installed(root) == {}


def test_one_folder_s_mode_is_what_all_its_packages_allow(root: Path) -> None:
    transact(root, package("a", [folder("srv", 0o775)]), package("b", [folder("srv", 0o750)]))
    assert stat.S_IMODE((root / "srv").stat().st_mode) == 0o750
    transact(root, remove=("b",))
    assert stat.S_IMODE((root / "srv").stat().st_mode) == 0o775


def test_a_folder_s_mode_that_a_person_changed_stays(root: Path) -> None:
    transact(root, package("a", [folder("srv", 0o775)]))
    (root / "srv").chmod(0o700)
    transact(root, package("b", [folder("srv", 0o750)]))
    assert stat.S_IMODE((root / "srv").stat().st_mode) == 0o700


# Whose a file is


def test_a_file_of_another_package_is_refused_before_anything_is_touched(root: Path) -> None:
    transact(root, plain("a", "srv/x"))
    before = snapshot(root)
    with pytest.raises(ApkError, match=r"b-1-r0: trying to overwrite srv/x owned by a-1-r0\.") as caught:
        transact(root, plain("c", "srv/c"), plain("b", "srv/x", "srv/y"))
    assert "--force-overwrite" in str(caught.value.hint)
    assert snapshot(root) == before


def test_two_new_packages_with_one_file_are_refused(root: Path) -> None:
    before = snapshot(root)
    with pytest.raises(ApkError, match="trying to overwrite srv/x"):
        transact(root, plain("a", "srv/x"), plain("b", "srv/x"))
    assert snapshot(root) == before


def owners(root: Path) -> dict[str, list[str]]:
    with Root(str(root)) as opened:
        return {
            record.entry.name: [file.name for found in record.folders for file in found.files]
            for record in read_state(opened).installed
        }


@pytest.mark.parametrize(
    ("first", "second", "content", "left"),
    [
        ({}, {"replaces": ("a",)}, b"b", {"a": ["y"], "b": ["x"]}),
        ({}, {"replaces": ("a<2",)}, b"b", {"a": ["y"], "b": ["x"]}),
        ({"replaces": ("b",), "replaces_priority": 2}, {"replaces": ("a",), "replaces_priority": 1}, b"a",
         {"a": ["x", "y"], "b": []}),
        ({"replaces": ("b",)}, {}, b"a", {"a": ["x", "y"], "b": []}),
        ({"origin": "same"}, {"origin": "same"}, b"b", {"a": ["y"], "b": ["x"]}),
    ],
)  # fmt: skip
def test_a_package_that_replaces_another_takes_its_file(
    root: Path, first: dict[str, object], second: dict[str, object], content: bytes, left: dict[str, list[str]]
) -> None:
    transact(root, plain("a", "x", "y", content=b"a", **first))
    transact(root, plain("b", "x", content=b"b", **second))
    assert (root / "x").read_bytes() == content
    assert owners(root) == left
    transact(root, remove=("b",))
    assert (root / "x").exists() == (content == b"a")


def test_replacing_needs_the_version_that_is_named(root: Path) -> None:
    transact(root, plain("a", "x"))
    with pytest.raises(ApkError, match="trying to overwrite"):
        transact(root, plain("b", "x", replaces=("a<1",)))


def test_with_force_a_file_is_taken_and_that_is_told(root: Path) -> None:
    told = Told()
    transact(root, plain("a", "x", content=b"a"))
    transact(root, plain("b", "x", content=b"b"), overwrite=True, told=told)
    assert told.of("warning") == ["b-1-r0: trying to overwrite x owned by a-1-r0."]
    assert (root / "x").read_bytes() == b"b"
    assert owners(root) == {"a": [], "b": ["x"]}


def test_another_name_of_a_file_that_stays_another_package_s_gets_the_content(root: Path) -> None:
    transact(root, plain("a", "x", content=b"a", replaces=("b",)))
    transact(root, package("b", [file("x", b"b"), hardlink("z", "x")]))
    assert (root / "x").read_bytes() == b"a"
    assert (root / "z").read_bytes() == b"b"


def test_a_file_that_no_package_owns_is_overwritten(root: Path) -> None:
    (root / "srv").mkdir()
    (root / "srv/x").write_text("mine")
    transact(root, plain("a", "srv/x"))
    assert (root / "srv/x").read_bytes() == b"content"


# Protected paths


def test_changed_configuration_is_kept_and_the_new_one_put_beside(root: Path) -> None:
    transact(root, plain("a", "etc/changed", "etc/same", "srv/changed", content=b"1"))
    (root / "etc/changed").write_text("mine")
    (root / "srv/changed").write_text("mine")
    transact(root, plain("a", "etc/changed", "etc/same", "srv/changed", content=b"2", version="2-r0"))
    assert (root / "etc/changed").read_text() == "mine"
    assert (root / "etc/changed.apk-new").read_bytes() == b"2"
    assert (root / "etc/same").read_bytes() == b"2"
    assert (root / "srv/changed").read_bytes() == b"2"
    assert not (root / "etc/same.apk-new").exists()


def test_configuration_that_a_person_made_the_same_gets_nothing_beside(root: Path) -> None:
    (root / "etc/x").write_bytes(b"content")
    (root / "etc/y").write_bytes(b"other")
    transact(root, plain("a", "etc/x", "etc/y"))
    assert (root / "etc/y").read_bytes() == b"other"
    assert [place.name for place in (root / "etc").glob("*.apk-new")] == ["y.apk-new"]


def test_nothing_is_put_beside_where_that_is_not_wanted(root: Path) -> None:
    (root / "etc/y").write_bytes(b"other")
    transact(root, plain("a", "etc/y"), clean_protected=True)
    assert (root / "etc/y").read_bytes() == b"other"
    assert not list((root / "etc").glob("*.apk-new"))


def test_a_root_says_what_is_protected(root: Path) -> None:
    (root / "etc/apk/protected_paths.d").mkdir()
    (root / "etc/apk/protected_paths.d/mine.list").write_text("# mine\n+srv/conf*\n-etc/loose\n")
    (root / "etc/apk/protected_paths.d/ignored").write_text("-etc\n")
    paths = ("srv/config/x", "etc/loose/x", "etc/x", "srv/x")
    transact(root, plain("a", *paths))
    for path in paths:
        (root / path).write_text("mine")
    transact(root, plain("a", *paths, version="2-r0", content=b"2"))
    assert [path for path in paths if (root / path).read_text() == "mine"] == ["srv/config/x", "etc/x"]


def test_changed_configuration_outlives_its_package_but_for_a_purge(root: Path) -> None:
    for purge in (False, True):
        transact(root, plain("a", "etc/a/changed", "etc/a/same"))
        (root / "etc/a/changed").write_text("mine")
        transact(root, remove=("a",), purge=purge)
        assert (root / "etc/a/changed").exists() == (not purge)
        assert not (root / "etc/a/same").exists()


# Links, and what is in the way


def test_a_folder_may_be_a_link_inside_the_root(tmp_path: Path) -> None:
    path = tmp_path / "root"
    (path / "usr/lib").mkdir(parents=True)
    (path / "lib").symlink_to("usr/lib")
    (path / "srv").symlink_to("/usr/srv")
    (path / "usr/srv").mkdir()
    with Root(str(path)) as opened:
        from bivy.apk.system.root import create

        create(opened, "x86_64")
    transact(path, plain("a", "lib/a", "srv/a"))
    assert (path / "usr/lib/a").read_bytes() == (path / "usr/srv/a").read_bytes() == b"content"
    assert (path / "usr/lib/apk/db/installed").exists()
    transact(path, remove=("a",))
    assert (path / "lib").is_symlink()
    assert not (path / "usr/lib/a").exists()


@pytest.mark.parametrize("target", ["{outside}", "../outside", "../../../../../../../../../../{outside}"])
def test_a_link_that_leads_outside_leads_nowhere(root: Path, tmp_path: Path, target: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "srv").symlink_to(target.format(outside=outside))
    before = snapshot(root)
    with pytest.raises(ApkError, match="srv is a link to no folder inside the root"):
        transact(root, plain("a", "srv/x"))
    assert list(outside.iterdir()) == []
    assert snapshot(root) == before


def test_removing_follows_no_link_outside(root: Path, tmp_path: Path) -> None:
    transact(root, plain("a", "srv/x"))
    outside = tmp_path / "outside"
    (root / "srv").rename(outside)
    (root / "srv").symlink_to(outside)
    transact(root, remove=("a",))
    assert (outside / "x").exists()


def test_a_folder_where_a_file_is_to_be_is_refused(root: Path) -> None:
    (root / "srv/x").mkdir(parents=True)
    before = snapshot(root)
    with pytest.raises(ApkError, match="srv/x is a folder, but the package has a file there"):
        transact(root, plain("b", "opt/b"), plain("a", "srv/x"))
    assert snapshot(root) == before


def test_a_file_where_a_folder_is_to_be_is_refused(root: Path) -> None:
    (root / "srv").write_text("file")
    with pytest.raises(ApkError, match="srv is no folder, but the package has a folder there"):
        transact(root, plain("a", "srv/x"))


def test_an_empty_world_and_odd_words_are_handled(root: Path) -> None:
    transact(root, plain("a", "a"))
    transact(root, remove=("a",))
    assert (root / "etc/apk/world").read_text() == "\n"


# Never in between


def dying(work: Callable[[], object], number: int) -> bool:
    """Do something in a child that is killed at its nth change to the file system; tell whether it was."""
    child = os.fork()
    if child == 0:
        try:
            count = 0

            def counted(function: Callable[..., Any]) -> Callable[..., Any]:
                def call(*words: Any, **named: Any) -> Any:
                    nonlocal count
                    count += 1
                    if count == number:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return function(*words, **named)

                return call

            for name in ("rename", "unlink", "rmdir", "mkdir", "link", "symlink", "write", "fchmod", "pwrite", "fsync"):
                setattr(os, name, counted(getattr(os, name)))
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child of the tests' must not return
            import traceback

            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def recover(path: Path) -> None:
    with Root(str(path)) as opened, changing(opened):
        pass


def before_and_after(tmp_path: Path) -> tuple[Path, Path, Callable[[Path], object]]:
    """Return a root, what it becomes, and what does that: an upgrade, a removal, a new package, kept configuration."""
    old = empty_root(tmp_path / "old")
    transact(old, plain("up", "srv/up/a", "srv/up/b", "etc/up", content=b"1"), plain("gone", "srv/gone/a", "etc/gone"))
    (old / "etc/up").write_text("mine")

    def work(path: Path) -> object:
        up = package(
            "up",
            [file("srv/up/a", b"2"), hardlink("srv/up/c", "srv/up/a"), symlink("srv/up/d", "a"), file("etc/up", b"2")],
            version="2-r0",
        )
        return transact(path, up, package("new", [folder("opt", 0o750), file("opt/x/y", b"y")]), remove=("gone",))

    new = tmp_path / "new"
    copied(old, new)
    work(new)
    return old, new, work


def test_a_process_killed_at_any_moment_leaves_the_root_as_it_was_or_as_it_will_be(tmp_path: Path) -> None:
    old, new, work = before_and_after(tmp_path)
    was, will_be = snapshot(old), snapshot(new)
    seen: list[bool] = []
    for number in range(1, 1000):
        path = tmp_path / f"killed-{number}"
        copied(old, path)
        if not dying(lambda path=path: work(path), number):  # type: ignore[misc]
            break
        recover(path)
        now = snapshot(path)
        assert now in (was, will_be), number
        seen.append(now == will_be)
        shutil.rmtree(path)
    assert len(seen) > 40
    assert seen == sorted(seen), "once decided, it is never undone"
    assert set(seen) == {False, True}


def test_a_recovery_killed_at_any_moment_is_finished_by_the_next(tmp_path: Path) -> None:
    old, new, work = before_and_after(tmp_path)
    will_be = snapshot(new)
    decided = tmp_path / "decided"
    number = 0
    while not (decided / journal.DECIDED).exists():
        number += 1
        shutil.rmtree(decided, ignore_errors=True)
        copied(old, decided)
        assert dying(lambda: work(decided), number)
    for number in range(1, 1000):
        path = tmp_path / f"killed-{number}"
        copied(decided, path)
        if not dying(lambda path=path: recover(path), number):  # type: ignore[misc]
            break
        recover(path)
        assert snapshot(path) == will_be, number
        shutil.rmtree(path)
    assert number > 10


def test_a_full_disk_leaves_the_root_as_it_was(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    big = package("big", [file("srv/small", b"x"), file("srv/big", os.urandom(900_000)), file("etc/x", b"x")])
    root = empty_root(tmp_path / "root")
    job = Job(mount / "root", new=(big,), mounts=("--size", "600000", "--tmpfs", str(mount)), options={"copy": root})
    done = run(job)
    assert done is not None
    assert "No space left on device" in done.fault
    assert "nothing was changed" in done.fault
    assert done.hint == "make room, then try again"
    assert done.unchanged


def test_a_root_that_cannot_be_written_is_left_and_named(tmp_path: Path) -> None:
    root = empty_root(tmp_path / "root")
    done = run(Job(root, new=(plain("a", "srv/a"),), mounts=("--ro-bind", str(root), str(root))))
    assert done is not None
    assert done.fault == "Unable to lock database: Read-only file system"


def test_staged_files_of_an_interrupted_apk_are_removed(tmp_path: Path) -> None:
    old, _, work = before_and_after(tmp_path)
    was = snapshot(old)
    assert dying(lambda: work(old), 20)
    assert list(old.rglob(".apk.*"))
    recover(old)
    assert snapshot(old) == was


def test_a_damaged_journal_is_refused_with_what_to_do(root: Path) -> None:
    (root / journal.DECIDED).write_text("bivy apk journal 1\n--\nput\n")
    with pytest.raises(ApkError, match="is damaged") as caught:
        recover(root)
    assert "apk fix" in str(caught.value.hint)


def test_a_file_that_a_power_cut_left_empty_is_not_put_in_place(tmp_path: Path) -> None:
    old, _, work = before_and_after(tmp_path)
    number = 0
    path = tmp_path / "cut"
    while not (path / journal.DECIDED).exists():
        number += 1
        shutil.rmtree(path, ignore_errors=True)
        copied(old, path)
        assert dying(lambda: work(path), number)
    (staged,) = (path / "opt/x").glob(".apk.*")
    staged.write_bytes(b"")
    told = Told()
    with Root(str(path)) as opened, changing(opened, report=told):
        pass
    assert told.of("error") == ["failed to put opt/x/y in its place: it was not written whole"]
    assert installed(path) == {"up": "2-r0", "new": "1-r0 f"}


# Scripts

NOTE = 'echo "$0 $* $PWD $PATH" >> /srv/notes; echo "{0} $*" >> /srv/order'


def scripted(name: str, version: str, *, triggers: tuple[str, ...] = (), **more: str) -> Any:
    kinds = ("pre-install", "post-install", "pre-upgrade", "post-upgrade", "pre-deinstall", "post-deinstall")
    texts = {kind: NOTE.format(f"{name}-{version}.{kind}") for kind in kinds}
    texts |= {"trigger": NOTE.format(f"{name}-{version}.trigger")} if triggers else {}
    texts |= {kind.replace("_", "-"): text for kind, text in more.items()}
    return package(name, [file(f"opt/{name}", b"x")], version, texts, triggers=triggers)


def test_scripts_run_in_apk_s_order_with_its_arguments(shelled: Path) -> None:
    (shelled / "srv").mkdir()
    done = finished(Job(shelled, new=(scripted("a", "1-r0"), scripted("b", "1-r0", triggers=("/opt", "/et*")))))
    assert done.fault == ""
    assert done.told.of("error") == []
    finished(Job(shelled, new=(scripted("a", "2-r0"),)))
    finished(Job(shelled, remove=("a",)))
    assert (shelled / "srv/order").read_text().splitlines() == [
        "a-1-r0.pre-install 1-r0",
        "a-1-r0.post-install 1-r0",
        "b-1-r0.pre-install 1-r0",
        "b-1-r0.post-install 1-r0",
        "b-1-r0.trigger /opt",
        "a-2-r0.pre-upgrade 2-r0 1-r0",
        "a-2-r0.post-upgrade 2-r0 1-r0",
        "b-1-r0.trigger /opt",
        "a-2-r0.pre-deinstall 2-r0",
        "a-2-r0.post-deinstall 2-r0",
        "b-1-r0.trigger /opt",
    ]
    assert (shelled / "srv/notes").read_text().splitlines()[0] == (
        "lib/apk/exec/a-1-r0.pre-install 1-r0 / /usr/sbin:/usr/bin:/sbin:/bin"
    )
    assert list((shelled / "lib/apk/exec").iterdir()) == []
    assert done.told.of("message")[:3] == [
        "(1/2) Installing a (1-r0)",
        "Executing a-1-r0.pre-install",
        "Executing a-1-r0.post-install",
    ]


def test_a_script_sees_its_package_s_files_from_its_post_script_on(shelled: Path) -> None:
    seen = "[ -e /opt/a ] && echo {0} yes >> /opt/seen; [ -e /opt/a ] || echo {0} no >> /opt/seen"
    (shelled / "opt").mkdir()
    scripts = {kind: seen.format(kind) for kind in ("pre-install", "post-install", "pre-deinstall", "post-deinstall")}
    finished(Job(shelled, new=(package("a", [file("opt/a")], scripts=scripts),)))
    finished(Job(shelled, remove=("a",)))
    assert (shelled / "opt/seen").read_text().splitlines() == [
        "pre-install no",
        "post-install yes",
        "pre-deinstall yes",
        "post-deinstall no",
    ]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "exited with error 3"),
        ("kill -9 $$", "killed by signal 9"),
        ("kill -STOP $$", "did not end within 0.5 s and was stopped"),
    ],
)
def test_a_script_that_fails_marks_its_package_and_the_others_go_on(shelled: Path, script: str, message: str) -> None:
    (shelled / "srv").mkdir()
    bad, good = scripted("bad", "1-r0", post_install=script), scripted("good", "1-r0")
    done = finished(Job(shelled, new=(bad, good), options={"seconds": 0.5}))
    assert done.told.of("error") == [f"bad-1-r0.post-install: script {message}"]
    assert done.errors == 1
    assert installed(shelled) == {"bad": "1-r0 s", "good": "1-r0"}
    assert (shelled / "opt/good").exists()
    again = finished(Job(shelled, new=(scripted("bad", "1-r0"),)))
    assert again.errors == 0
    assert installed(shelled) == {"bad": "1-r0", "good": "1-r0"}


def test_what_a_hanging_script_started_is_stopped_with_it(shelled: Path) -> None:
    script = "(while :; do :; done) & echo $! > /opt/process; kill -STOP $$"
    (shelled / "opt").mkdir()
    finished(
        Job(shelled, new=(package("a", [file("srv/a")], scripts={"pre-install": script}),), options={"seconds": 0.5})
    )
    if os.geteuid() == 0:
        process = int((shelled / "opt/process").read_text())
        assert not Path(f"/proc/{process}").exists() or "Z" in Path(f"/proc/{process}/status").read_text()


def test_a_root_without_a_shell_says_so(root: Path) -> None:
    done = finished(Job(root, new=(scripted("a", "1-r0"),)))
    assert done.told.of("error")[0] == (
        "a-1-r0.pre-install: script cannot be started: the root has no such program, or not its interpreter"
    )
    assert installed(root) == {"a": "1-r0 s"}


def test_scripts_can_be_left_out(root: Path) -> None:
    done = finished(Job(root, new=(scripted("a", "1-r0", triggers=("/opt",)),), options={"scripts": False}))
    assert done.errors == 0
    assert not [line for line in done.told.of("message") if "Executing" in line]
    assert "trigger" in str((root / "lib/apk/db/scripts.tar").read_bytes())


def test_what_a_file_system_does_not_let_execute_is_run_by_its_interpreter(shelled: Path) -> None:
    (shelled / "srv").mkdir()
    (shelled / "lib/apk/exec").mkdir()
    job = Job(shelled, new=(scripted("a", "1-r0"),), mounts=("--tmpfs", str(shelled / "lib/apk/exec")))
    done = run(replace(job, options={"noexec": True}))
    assert done is not None
    if "noexec" in done.hint:
        pytest.skip("the sandbox may not mount")
    assert done.told.of("error") == []
    assert "a-1-r0.post-install 1-r0" in (shelled / "srv/order").read_text()


def test_triggers_are_told_of_folders_that_changed_and_the_first_time_of_all(shelled: Path) -> None:
    finished(Job(shelled, new=(plain("old", "srv/old/x", "usr/share/old/x"),)))
    watching = package("w", [folder("opt")], scripts={"trigger": 'echo "$*" >> /opt/told'}, triggers=("/srv/*", "/opt"))
    finished(Job(shelled, new=(watching,)))
    finished(Job(shelled, new=(plain("other", "var/x"),)))
    finished(Job(shelled, new=(plain("new", "srv/new/x", "srv/new/deep/x"),)))
    finished(Job(shelled, remove=("new",)))
    assert (shelled / "opt/told").read_text().splitlines() == ["/opt /srv/old", "/srv/new", "/srv/new"]


@as_root
def test_a_user_made_by_a_script_owns_the_files_of_its_package(shelled: Path) -> None:
    making = "echo demouser:x:1200:1201::/:/bin/sh >> /etc/passwd; echo demogroup:x:1201: >> /etc/group"
    entries = [
        folder("srv"),
        folder("srv/own", 0o700, user="demouser", group="demogroup", uid=33, gid=34),
        file("srv/own/x", b"x", 0o4755, user="demouser", group="demogroup", uid=33, gid=34),
    ]
    finished(Job(shelled, new=(package("a", entries, scripts={"pre-install": making}),)))
    for place, mode in ((shelled / "srv/own", 0o700), (shelled / "srv/own/x", 0o4755)):
        status = place.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1200, 1201, mode)
    text = (shelled / "lib/apk/db/installed").read_text()
    assert "M:1200:1201:700\n" in text
    assert "a:1200:1201:4755\n" in text


def test_a_process_killed_at_a_script_is_finished_with_the_scripts_that_are_left(shelled: Path) -> None:
    (shelled / "srv").mkdir()
    a, b = scripted("a", "1-r0", triggers=("/opt",)), scripted("b", "1-r0", pre_install="exit 1")
    assert run(Job(shelled, new=(a, b), dies_at="b-1-r0.post-install")) is None
    assert installed(shelled) == {}
    done = finished(Job(shelled))
    assert done.told.of("message") == [
        "Finishing what an interrupted apk began",
        "Executing b-1-r0.post-install",
        "Executing a-1-r0.trigger",
    ]
    assert installed(shelled) == {"a": "1-r0", "b": "1-r0 s"}
    order = [line.partition(" ")[0] for line in (shelled / "srv/order").read_text().splitlines()]
    assert order == ["a-1-r0.pre-install", "a-1-r0.post-install", "b-1-r0.post-install", "a-1-r0.trigger"]


def test_a_script_that_makes_room_for_a_link_is_waited_for(shelled: Path) -> None:
    (shelled / "opt/moved").mkdir(parents=True)
    shutil.copy("/bin/rmdir", shelled / "bin/rmdir")
    entries = [folder("opt"), symlink("opt/moved", "../srv")]
    kept = finished(Job(shelled, new=(package("a", entries, scripts={"pre-install": ":"}),)))
    assert "failed to put opt/moved in its place" in kept.told.of("error")[0]
    assert installed(shelled) == {"a": "1-r0 f"}
    finished(Job(shelled, new=(package("a", entries, scripts={"pre-upgrade": "rmdir /opt/moved"}),)))
    assert (shelled / "opt/moved").readlink() == Path("../srv")
    assert installed(shelled) == {"a": "1-r0"}


def test_a_hook_may_forbid_a_transaction(shelled: Path) -> None:
    hooks = shelled / "etc/apk/commit_hooks.d"
    hooks.mkdir()
    (hooks / "guard").write_text(
        '#!/bin/sh\n[ "$1" = pre-commit ] && [ -e /etc/frozen ] && exit 1\necho $1 >> /etc/told\n'
    )
    (hooks / "guard").chmod(0o755)
    finished(Job(shelled, new=(plain("a", "srv/a"),)))
    assert (shelled / "etc/told").read_text() == "pre-commit\npost-commit\n"
    (shelled / "etc/frozen").touch()
    done = finished(Job(shelled, new=(plain("b", "srv/b"),)))
    assert "guard: script exited with error 1" in done.fault
    assert installed(shelled) == {"a": "1-r0"}
