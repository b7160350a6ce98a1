"""Patterns of .gitignore and .dockerignore."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.app.patterns import from_dockerignore, is_pattern, make_patterns, to_dockerignore

LINES = st.lists(st.text(alphabet="ab*?[]!/\\.# \t-^$(", max_size=12), max_size=4)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", ".a", "b.a"]), min_size=1, max_size=3).map("/".join)


@pytest.mark.parametrize("line", ["docs/", "*.csv", "!keep", "/top", "a/**/b", ""])
def test_patterns_are_told(line: str) -> None:
    assert is_pattern(line)


@pytest.mark.parametrize("line", ["[z-a]", "!", "a\nb", "a\0"])
def test_what_is_none_is_told(line: str) -> None:
    assert not is_pattern(line)


@given(LINES, PATHS)
def test_lines_that_are_no_patterns_mean_nothing(lines: list[str], path: str) -> None:
    make_patterns(lines).include(path)
    make_patterns(from_dockerignore("\n".join(lines))).include(path)


@given(LINES, PATHS, st.sampled_from(["", "/"]))
def test_what_is_looked_up_first_changes_nothing(lines: list[str], path: str, end: str) -> None:
    patterns = make_patterns(lines)
    assert patterns.include(path + end) == patterns.spec.check_file(path + end).include


@given(LINES, PATHS)
def test_patterns_mean_the_same_in_a_dockerignore(lines: list[str], path: str) -> None:
    plain = [line for line in lines if is_pattern(line) and not set(line) & set("\\# \t[]^$(-")]
    again = from_dockerignore("\n".join(to_dockerignore(plain)))
    # A pattern that is for folders alone is for files, too, in a .dockerignore.
    there = make_patterns(plain).include(f"{path}/")
    assert bool(make_patterns(again).include(f"{path}/")) == bool(there)
