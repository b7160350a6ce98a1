from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.errors import ApkError
from bivy.apk.version import Version, compare, is_valid, satisfies

# Facts about apk's order, each chain from the oldest to the newest; several are among apk-tools' own examples.
CHAINS = (
    "0.1.0_alpha 0.1.0_alpha2 0.1.0_alpha2-r1 0.1.0_beta 0.1.0_beta2 0.1.0_pre1 0.1.0_rc1 0.1.0_rc2 0.1.0 0.1.0-r1",
    "1.0_cvs 1.0_svn 1.0_git 1.0_git20240101 1.0_hg 1.0_p 1.0_p1 1.0_p2-r1 1.0_p10 1.0a 1.0b 1.0.0 1.0.1 1.1 1.2 1.10",
    "1.1a 1.1b 1.2 1.2.1 1.2.1a 1.3_alpha 1.3_alpha-r1 1.3_rc 1.3 1.3-r0 1.3-r1 1.3-r2 1.3-r10 1.3_p 1.3a 1.3.0",
    "8.2.00 8.2.001 8.2.0 8.2.01 8.2.09 8.2.010 8.2.011 8.2.1 8.2.2 8.2.10 8.3 10.0",
    "0 0-r1 0a 0.0 1 1-r1 1a1 1a2 2 9 9.9 10 11 100 2009 20090101",
    "4_beta 4.0_alpha_pre1 4.0_alpha 4.0_alpha_p1 4.0 4.0_p1_pre1 4.0_p1 4.0_p1_p1 23_rc1 23 23_p1",
    "1.2.3_git20200101 1.2.3_git20200101-r1 1.2.3_git20200102 1.2.4_git20190101_alpha 1.2.4_git20190101",
)
ORDERED = tuple(pair for chain in CHAINS for pair in pairwise(chain.split()))
SAME = (("1.0", "1.0"), ("1.2.3_rc1-r4", "1.2.3_rc1-r4"), ("1.0-r01", "1.0-r1"), ("1_p01", "1_p1"), ("01", "1"))
INVALID = (
    "1.0bc",
    "1.0_foo",
    "1.0-pre1",
    "1.0_pre2~",
    "abc",
    "1.0-1",
    "1.0A",
    "1.0+1",
    "1.0~ab",
    "1.123456789012345678",
)


@pytest.mark.parametrize(("older", "newer"), ORDERED)
def test_versions_are_in_apk_s_order(older: str, newer: str) -> None:
    assert compare(older, newer) == -1
    assert compare(newer, older) == 1
    assert Version(older) < Version(newer)


def test_all_of_a_chain_is_in_order_not_just_neighbours() -> None:
    for chain in CHAINS:
        versions = chain.split()
        backwards = versions[::-1]
        assert sorted(backwards, key=Version) == versions


@pytest.mark.parametrize(("one", "other"), SAME)
def test_versions_that_differ_in_zeros_before_a_whole_number_are_the_same(one: str, other: str) -> None:
    assert compare(one, other) == 0
    assert Version(one) == Version(other)
    assert hash(Version(one)) == hash(Version(other))


@pytest.mark.parametrize("text", INVALID)
def test_what_is_not_a_version_is_refused(text: str) -> None:
    assert not is_valid(text)
    with pytest.raises(ApkError, match="not a version"):
        Version(text)


@pytest.mark.parametrize(
    ("operator", "answers"),
    [("=", "010"), ("<", "100"), (">", "001"), ("<=", "110"), (">=", "011")],
)
def test_a_dependency_is_satisfied_by_what_its_operator_says(operator: str, answers: str) -> None:
    found = [satisfies(version, operator, "1.3") for version in ("1.2-r1", "1.3", "1.10")]
    assert found == [answer == "1" for answer in answers]


@pytest.mark.parametrize("version", ["3.6", "3.6.0", "3.6.9-r1", "3.6_pre1", "3.6a"])
def test_a_tilde_takes_every_version_that_begins_with_the_parts(version: str) -> None:
    assert satisfies(version, "~", "3.6")


def test_a_tilde_takes_what_the_version_begins_with() -> None:
    # Genuine apk 2.14 does: what has no more parts does not contradict.
    assert satisfies("3", "~", "3.6")
    assert satisfies("3.6-r2", "~", "3.6.1")


@pytest.mark.parametrize("version", ["3.5.9", "3.60", "3.7", "4.6", "4"])
def test_a_tilde_refuses_others(version: str) -> None:
    assert not satisfies(version, "~", "3.6")


def test_a_tilde_with_another_sign_takes_what_is_older_or_newer_too() -> None:
    assert [satisfies(version, "<~", "3.6") for version in ("3.5", "3.6.9", "3.7")] == [True, True, False]
    assert [satisfies(version, ">~", "3.6") for version in ("3.5", "3.6.9", "3.7")] == [False, True, True]


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ApkError, match="unknown operator '=='"):
        satisfies("1", "==", "1")


numbers = st.sampled_from(["0", "00", "1", "01", "001", "2", "10", "09", "010", "123456789"])
suffixes = st.builds(
    "_{}{}".format,
    st.sampled_from(["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"]),
    st.sampled_from(["", "1", "2", "10"]),
)
valid = st.builds(
    "{}{}{}{}".format,
    st.lists(numbers, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["", "", "a", "b"]),
    st.lists(suffixes, max_size=2).map("".join),
    st.sampled_from(["", "-r0", "-r1", "-r10"]),
)


@given(valid, valid, valid)
def test_the_order_is_total(a: str, b: str, c: str) -> None:
    assert is_valid(a)
    assert compare(a, a) == 0
    assert compare(a, b) == -compare(b, a)
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0
    if compare(a, b) == 0:
        assert compare(a, c) == compare(b, c)


@given(valid, valid)
def test_a_version_is_one_of_older_same_and_newer(a: str, b: str) -> None:
    assert [satisfies(a, operator, b) for operator in "<=>"].count(True) == 1


@given(st.text(alphabet="0123.abr_-p~ ", max_size=12), st.text(max_size=8))
def test_any_two_texts_can_be_compared(a: str, b: str) -> None:
    assert compare(a, b) == -compare(b, a)
