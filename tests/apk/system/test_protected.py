from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.system.protected import Protection, has_protected_below, matches, parse_rules, protection

RULES = parse_rules("# comment\n+etc\n@etc/init.d\n!etc/apk\n\n-etc/*/cache\nsrv/[ab]*/conf/\n")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", Protection.NONE),
        ("usr", Protection.NONE),
        ("etc", Protection.CHANGED),
        ("etc/deep/er", Protection.CHANGED),
        ("etc/init.d", Protection.LINKS),
        ("etc/apk/keys", Protection.ALL),
        ("etc/x/cache/y", Protection.IGNORED),
        ("etc/init.d/cache", Protection.IGNORED),
        ("srv/any/conf", Protection.CHANGED),
        ("srv/cny/conf", Protection.NONE),
        ("srv/any", Protection.NONE),
        ("etcetera", Protection.NONE),
    ],
)
def test_a_folder_is_treated_as_the_longest_rule_says(path: str, expected: Protection) -> None:
    assert protection(RULES, path) is expected


def test_of_rules_for_one_folder_the_last_counts() -> None:
    assert protection(parse_rules("+etc\n-etc\n"), "etc/x") is Protection.IGNORED


def test_folders_with_protected_ones_in_them_are_known() -> None:
    found = [path for path in ("", "srv", "srv/a", "srv/c", "usr", "etc/x") if has_protected_below(RULES, path)]
    assert found == ["", "srv", "srv/a", "etc/x"]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/lib/modules/*", "/lib/modules/6.1", True),
        ("/lib/modules/*", "/lib/modules/6.1/kernel", False),
        ("/lib/modules/*", "/lib/modules", False),
        ("/usr/share/icons/*", "/usr/share/icons/.hidden", True),
        ("/a?c", "/abc", True),
        ("/a?c", "/a/c", False),
        ("/[!a]", "/b", True),
        ("/[!a]", "/a", False),
        ("/[]x]", "/]", True),
        ("/[a", "/[a", True),
        (r"/\*", "/*", True),
        (r"/\*", "/x", False),
        ("/a.c", "/abc", False),
        ("/a[/]c", "/a/c", False),
    ],
)
def test_wildcards_stand_for_what_they_stand_for_in_a_shell(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


@given(st.text(alphabet="ab*?[]!.", max_size=8), st.text(alphabet="ab[]!.", max_size=8))
def test_within_one_word_wildcards_are_python_s(pattern: str, text: str) -> None:
    assert matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_pattern_gives_an_answer(pattern: str, text: str) -> None:
    assert matches(pattern, text) in (True, False)
