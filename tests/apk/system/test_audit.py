from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bivy.apk.system.audit import Difference, Mode, audit, broken, damaged
from bivy.apk.system.protected import parse_rules
from bivy.apk.system.root import Root, read_state
from tests.apk.installing import empty_root, package, plain, transact
from tests.apk.samples import file, folder, symlink

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="whose files are not root's differ from the database in that")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = empty_root(tmp_path / "root")
    entries = [
        folder("srv"),
        file("srv/changed", b"1"),
        file("srv/same", b"1"),
        file("srv/missing", b"1"),
        file("srv/mode", b"1"),
        symlink("srv/link", "same"),
        file("etc/changed", b"1"),
        file("etc/same", b"1"),
        file("etc/init.d/script", b"1"),
        folder("etc/apk"),
    ]
    transact(path, package("a", entries), plain("b", "opt/b"))
    return path


def found(root: Path, *words: Any, **named: Any) -> list[tuple[str, str]]:
    with Root(str(root)) as opened:
        return [(it.reason, it.path) for it in audit(opened, read_state(opened), *words, **named)]


def meddle(root: Path) -> None:
    for name in ("srv/changed", "etc/changed"):
        (root / name).write_text("2")
    (root / "srv/missing").unlink()
    (root / "srv/mode").chmod(0o600)
    (root / "srv/link").unlink()
    (root / "srv/link").symlink_to("changed")
    for name in ("srv/new/deep", "etc/new/deep"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text("new")
    (root / "etc/new.apk-new").write_text("new")


def test_a_root_as_packages_left_it_differs_in_nothing(root: Path) -> None:
    assert found(root, Mode.SYSTEM) == []
    assert [path for _, path in found(root, Mode.BACKUP) if not path.startswith("etc/apk/")] == []


def test_packages_files_outside_protected_paths_are_the_system_s(root: Path) -> None:
    meddle(root)
    assert found(root, Mode.SYSTEM) == [("U", "srv/changed"), ("U", "srv/link"), ("X", "srv/missing")]


@as_root
def test_modes_count_where_that_is_asked(root: Path) -> None:
    meddle(root)
    (root / "opt").chmod(0o700)
    assert ("M", "srv/mode") in found(root, Mode.SYSTEM, check_permissions=True)
    assert ("m", "opt/") in found(root, Mode.SYSTEM, check_permissions=True)


def test_what_a_person_changed_in_protected_paths_is_for_the_backup(root: Path) -> None:
    meddle(root)
    assert found(root, Mode.BACKUP) == [
        ("A", "etc/apk/arch"),
        ("A", "etc/apk/world"),
        ("U", "etc/changed"),
        ("D", "etc/new/"),
    ]
    assert found(root, Mode.BACKUP, recursive=True)[3:] == [
        ("d", "etc/new/"),
        ("d", "etc/new/deep/"),
        ("A", "etc/new/deep/file"),
    ]


def test_everything_outside_protected_paths_is_looked_at_in_full(root: Path) -> None:
    meddle(root)
    answer = found(root, Mode.FULL)
    assert ("D", "srv/new/") in answer
    assert ("X", "srv/missing") in answer
    assert ("U", "srv/changed") in answer
    assert not [path for _, path in answer if path.startswith(("etc/new", "var", "tmp"))]


def test_only_links_count_where_only_links_are_protected(root: Path) -> None:
    (root / "etc/init.d/script").write_text("2")
    (root / "etc/init.d/link").symlink_to("script")
    assert [it for it in found(root) if "init.d" in it[1]] == [("A", "etc/init.d/link")]


def test_busybox_s_links_are_passed_over_where_that_is_asked(root: Path) -> None:
    (root / "srv/ls").symlink_to("/bin/busybox")
    (root / "srv/own").symlink_to("/bin/other")
    rules = parse_rules("")
    every = found(root, Mode.FULL, rules=rules, folders=("/srv",))
    fewer = found(root, Mode.FULL, rules=rules, folders=("/srv",), ignore_busybox_links=True)
    assert set(every) - set(fewer) == {("A", "srv/ls")}
    assert fewer == [("A", "srv/own")]


def test_a_difference_says_what_is_recorded_and_what_is_there(root: Path) -> None:
    (root / "srv/changed").write_text("2")
    with Root(str(root)) as opened:
        (difference,) = audit(opened, read_state(opened), Mode.SYSTEM)
    assert isinstance(difference, Difference)
    assert (difference.reason, difference.package) == ("U", "a")
    assert difference.recorded is not None
    assert difference.found is not None
    assert difference.recorded.mode == difference.found.mode == 0o644
    assert difference.recorded_checksum != difference.found_checksum
    assert difference.recorded_checksum.startswith("Q1")


def test_extended_attributes_count(root: Path) -> None:
    try:
        os.setxattr(root / "srv/same", "user.a", b"x")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    assert found(root, Mode.SYSTEM) == [("x", "srv/same")]


def test_folders_that_links_lead_to_are_not_gone_into(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/b").write_text("x")
    (root / "opt/b").unlink()
    (root / "opt").rmdir()
    (root / "opt").symlink_to(tmp_path / "outside")
    assert found(root, Mode.SYSTEM) == []


@as_root
def test_packages_that_are_not_whole_are_known_for_repair(root: Path) -> None:
    meddle(root)
    with Root(str(root)) as opened:
        state = read_state(opened)
        assert list(damaged(opened, state)) == ["a"]
        assert {it.path for it in damaged(opened, state)["a"]} == {
            "srv/changed", "srv/link", "srv/missing", "srv/mode"}  # fmt: skip
    transact(root, package("a", [file("srv/missing", b"1")]))
    assert found(root, Mode.SYSTEM) == []


def test_packages_that_the_database_marks_are_broken(root: Path) -> None:
    place = root / "lib/apk/db/installed"
    place.write_text(place.read_text().replace("P:a\n", "P:a\nf:x\n").replace("P:b\n", "P:b\nf:s\n"))
    with Root(str(root)) as opened:
        state = read_state(opened)
    assert broken(state) == ("b",)
    assert broken(state, xattrs=True) == ("a", "b")
