"""Users and groups by name and number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import UsageError
from bivy.run.accounts import Account, find_account
from tests.run.conftest import GROUP, PASSWD


@pytest.mark.parametrize(
    ("user", "account"),
    [
        ("", Account(0, 0, "/root")),
        ("root", Account(0, 0, "/root")),
        ("web", Account(1000, 1001, "/srv/web")),
        ("1000", Account(1000, 1001, "/srv/web")),
        ("4242", Account(4242, 0, "/")),
        ("web:staff", Account(1000, 50, "/srv/web")),
        ("web:77", Account(1000, 77, "/srv/web")),
        ("4242:www", Account(4242, 1001, "/")),
        (":staff", Account(0, 50, "/root")),
        ("web:", Account(1000, 1001, "/srv/web")),
    ],
)
def test_whom_it_means(user: str, account: Account) -> None:
    assert find_account(user, PASSWD, GROUP) == account


def test_a_name_that_is_a_number_goes_before_the_number() -> None:
    assert find_account("5", "a:x:5:5::/a:\n5:x:6:6::/five:\n", "").uid == 6


def test_an_image_without_users_knows_numbers() -> None:
    assert find_account("", "", "") == Account(0, 0, "/")
    assert find_account("7:8", "", "") == Account(7, 8, "/")


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nobody-here", "no user 'nobody-here'"),
        ("web:none", "no group 'none'"),
        ("-1", "no user"),
        ("4294967296", "no user"),
        ("٣", "no user"),
    ],
)
def test_who_is_not_there_is_named(user: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_account(user, PASSWD, GROUP)


@given(user=st.text(), passwd=st.text(alphabet="ax:0\n9"), group=st.text(alphabet="ax:0\n9"))
def test_no_files_however_broken_are_a_fault_of_ours(user: str, passwd: str, group: str) -> None:
    try:
        found = find_account(user, passwd, group)
    except UsageError:
        return
    assert 0 <= found.uid < 2**31
    assert 0 <= found.gid < 2**31
