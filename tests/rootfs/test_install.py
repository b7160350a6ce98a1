from dataclasses import replace

import pytest

from bivy.apk.entry import Entry
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package
from bivy.errors import BivyError
from bivy.rootfs.install import install
from tests.rootfs.trees import contents, file, folder, hardlink


def package(name: str, *entries: Entry, replaces: tuple[str, ...] = ()) -> Package:
    info = replace(PackageInfo(name, "1-r0", "x86_64", "", "", "MIT"), replaces=replaces)
    return Package(info, entries, {}, "", 0)


def test_packages_share_folders() -> None:
    (tree,) = install([[package("a", folder("usr"), file("usr/a")), package("b", folder("usr"), file("usr/b"))]])
    assert list(tree.entries) == ["usr", "usr/a", "usr/b"]


def test_a_later_tree_holds_only_what_it_adds_in_folders_as_they_are_below() -> None:
    base = package("base", folder("tmp", 0o1777), folder("usr", 0o711), file("usr/base"), folder("var"))
    lower, upper = install([[base], [package("python", folder("usr", 0o700), file("usr/python"))]])
    assert list(lower.entries) == ["tmp", "usr", "usr/base", "var"]
    assert list(upper.entries) == ["usr", "usr/python"]
    assert upper.entries["usr"].mode == 0o711


@pytest.mark.parametrize("layers", [1, 2])
def test_two_different_files_of_one_name_are_an_error_that_names_both_packages(layers: int) -> None:
    one, two = package("busybox", file("bin/sh", b"1")), package("dash", file("bin/sh", b"2"))
    with pytest.raises(BivyError, match="/bin/sh is in two packages, busybox and dash") as fault:
        install([[one, two]] if layers == 1 else [[one], [two]])
    assert "replaces" in (fault.value.hint or "")


def test_two_packages_may_have_the_same_file() -> None:
    (tree,) = install([[package("a", file("x", b"1", mtime=1)), package("b", file("x", b"1", mtime=2))]])
    assert tree.entries["x"].mtime == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_package_that_replaces_another_has_its_file_whatever_the_order(order: int) -> None:
    packages = [
        package("busybox", file("bin/sh", b"1")),
        package("dash", file("bin/sh", b"2"), replaces=("busybox<2",)),
    ]
    (tree,) = install([packages[::order]])
    assert contents(tree) == {"bin": "/", "bin/sh": b"2"}


@pytest.mark.parametrize("order", [1, -1])
def test_another_name_of_a_replaced_file_keeps_its_own_content(order: int) -> None:
    old = package("old", file("a", b"old"), hardlink("b", "a"))
    new = package("new", file("a", b"new"), replaces=("old",))
    (tree,) = install([[old, new][::order]])
    assert contents(tree) == {"a": b"new", "b": b"old"}
    lower, upper = install([[new], [old]])
    assert (contents(lower), contents(upper)) == ({"a": b"new"}, {"b": b"old"})


def test_a_folder_that_is_a_file_elsewhere_is_an_error() -> None:
    with pytest.raises(BivyError, match="/etc"):
        install([[package("a", folder("etc")), package("b", file("etc"))]])
