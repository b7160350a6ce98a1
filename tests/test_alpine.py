"""What bivy knows of Alpine's releases."""

from __future__ import annotations

import datetime as dt

import pytest

from bivy.alpine import default_keys, find_release
from bivy.apk.keys import load_keys
from bivy.arch import ARCHES
from bivy.errors import UsageError


@pytest.mark.parametrize("text", ["3.24", "v3.24"])
def test_a_release_is_found_by_its_number(text: str) -> None:
    release = find_release(text)
    assert release.name == "3.24"
    assert release.urls("http://127.0.0.1/alpine/") == (
        "http://127.0.0.1/alpine/v3.24/main",
        "http://127.0.0.1/alpine/v3.24/community",
    )


def test_support_ends_on_its_last_day() -> None:
    release = find_release("3.20")
    assert release.until == dt.date(2026, 4, 1)
    assert not release.past(dt.date(2026, 4, 1))
    assert release.past(dt.date(2026, 4, 2))


def test_of_a_newer_release_than_is_known_the_end_is_not_known() -> None:
    assert find_release("3.99").until is None
    assert not find_release("edge").past(dt.date(2099, 1, 1))
    assert find_release("edge").branch == "edge"


@pytest.mark.parametrize("text", ["", "bookworm", "3", "3.24.1", "4.0", "../3.24"])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a release"):
        find_release(text)


@pytest.mark.parametrize("arch", ARCHES)
def test_alpine_s_keys_are_there_for_each_architecture(arch: str) -> None:
    said: list[str] = []
    keys = load_keys(default_keys(arch), said.append)
    assert keys
    assert not said
    assert all(key.modulus.bit_length() >= 2048 for key in keys.values())
