"""Patterns of paths mean what they say, however many folders there are."""

from __future__ import annotations

import pytest

from bivy.verify.paths import matches


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("var/cache/**", "var/cache/apk/x"), ("/var/cache/**", "var/cache/x"), ("**/bin/git", "bin/git"),
        ("**/bin/git", "usr/local/bin/git"), ("**/*.a", "libx.a"), ("usr/lib/*.a", "usr/lib/libx.a"),
        ("**/c[+89]*", "usr/bin/c++"), ("**/c[!a-z]9", "bin/c89"), ("root/.*_history", "root/.ash_history"),
        ("a?c", "abc"), ("etc/[x", "etc/[x"), ("usr/lib/python3.*/**", "usr/lib/python3.14/a/b"),
    ],
)  # fmt: skip
def test_a_pattern_means_a_path(pattern: str, path: str) -> None:
    assert matches(path, pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("var/cache/**", "var/cachet/x"), ("**/bin/git", "usr/bin/git-shell"), ("**/bin/git", "usr/sbin/git"),
        ("usr/lib/*.a", "usr/lib/deep/libx.a"), ("**/bin/git", "usr/robin/git"), ("*.a", "usr/x.a"), ("a?c", "a/c"),
        ("root/.*_history", "root/x/.ash_history"), ("**/core", "usr/core/x"),
    ],
)  # fmt: skip
def test_a_pattern_does_not_mean_another_path(pattern: str, path: str) -> None:
    assert not matches(path, pattern)
