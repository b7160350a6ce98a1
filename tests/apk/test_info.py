from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.errors import ApkError
from bivy.apk.info import PackageInfo, format_pkginfo, parse_pkginfo
from tests.apk.samples import INFO


def test_what_is_written_is_read_back_the_same() -> None:
    assert parse_pkginfo(format_pkginfo(INFO)) == INFO


def test_triggers_and_install_if_take_one_line_and_dependencies_one_each() -> None:
    lines = format_pkginfo(INFO).splitlines()
    assert "triggers = /usr/share/demo /usr/lib/*" in lines
    assert "install_if = base docs" in lines
    assert [line for line in lines if line.startswith("depend = ")] == [f"depend = {word}" for word in INFO.depends]


def test_texts_that_apk_would_call_null_are_written_even_when_empty() -> None:
    text = format_pkginfo(PackageInfo("a", "1-r0", "noarch"))
    assert (
        text == "pkgname = a\npkgver = 1-r0\npkgdesc = \nurl = \nbuilddate = 0\nsize = 0\narch = noarch\nlicense = \n"
    )


def test_a_priority_of_zero_is_not_the_same_as_none() -> None:
    info = replace(INFO, provider_priority=0, replaces_priority=None)
    assert parse_pkginfo(format_pkginfo(info)) == info


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../etc"}, "not a package's name"),
        ({"name": ""}, "not a package's name"),
        ({"version": "1.0-1"}, "not a version"),
        ({"arch": "x86 64"}, "not an architecture"),
        ({"description": "one\ntwo = 2"}, "line break"),
        ({"depends": ("a b",)}, "not one word"),
        ({"depends": ("",)}, "not one word"),
        ({"build_date": -1}, "negative"),
    ],
)
def test_what_apk_would_misread_is_not_written(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ApkError, match=message):
        format_pkginfo(replace(INFO, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pkgver = 1\narch = x86_64\n", "no pkgname"),
        ("pkgname = a\npkgname = b\n", "line 2: pkgname is there twice"),
        ("pkgname\n", "line 1: 'pkgname' is not a key and a value"),
        ("builddate = -1\n", "line 1: builddate is '-1', not a number"),
        ("pkgname = a/b\npkgver = 1\narch = x\n", "not a package's name and version"),
        ("url = a\tb\n", "control character in url"),
    ],
)
def test_a_faulty_text_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ApkError, match=message):
        parse_pkginfo(text)


def test_comments_and_unknown_keys_are_passed_over() -> None:
    assert parse_pkginfo("# by abuild\n\nfuture = 1\npkgname = a\npkgver = 1\narch = x\n") == PackageInfo("a", "1", "x")


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
lists = st.lists(words, max_size=3).map(tuple)


@given(texts, texts, lists, lists, lists, st.integers(0, 10**12))
def test_any_texts_survive(
    description: str, url: str, depends: tuple[str, ...], install_if: tuple[str, ...], triggers: tuple[str, ...],
    date: int,
) -> None:  # fmt: skip
    info = replace(
        INFO, description=description, url=url, depends=depends, install_if=install_if, triggers=triggers,
        build_date=date,
    )  # fmt: skip
    assert parse_pkginfo(format_pkginfo(info)) == info


@given(st.text(alphabet="pkgnamever=\n# 01arch", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ApkError):
        parse_pkginfo(text)
