from __future__ import annotations

import pytest

from bivy.errors import UsageError
from bivy.source.pin import Pin, Place
from bivy.source.places import Candidate, Mirrors, candidates, mirrors_told

ONE, TWO = "1" * 64, "2" * 64
POOL = "pool/main/z/zlib/zlib_1.3.dfsg+really1.3.2.orig.tar.gz"
PIN = Pin("zlib", "1.3.2", (Place(TWO, debian=POOL), Place(ONE, url="https://example.org/zlib-1.3.2.tar.gz")))


def test_upstream_comes_first_then_mirrors_then_debian_each_with_its_own_digest() -> None:
    found = candidates(PIN, Mirrors(("https://m.example/",)), ("http://d.example/debian", "http://e.example/debian"))
    assert found == [
        Candidate("https://example.org/zlib-1.3.2.tar.gz", ONE),
        Candidate("https://m.example/zlib_1.3.dfsg+really1.3.2.orig.tar.gz", TWO),
        Candidate(f"https://m.example/{POOL}", TWO),
        Candidate("https://m.example/zlib-1.3.2.tar.gz", ONE),
        Candidate(f"http://d.example/debian/{POOL}", TWO),
        Candidate(f"http://e.example/debian/{POOL}", TWO),
    ]


def test_the_same_address_is_tried_once() -> None:
    mirrors = Mirrors(("http://d.example/debian",))
    addresses = [c.address for c in candidates(PIN, mirrors, ("http://d.example/debian",))]
    assert len(addresses) == len(set(addresses))


def test_a_file_name_is_quoted_where_an_address_needs_it() -> None:
    pin = Pin("odd", "1", (Place(ONE, url="https://example.org/a%20b%23c.tar.gz"),))
    assert candidates(pin, Mirrors(("file:///srv",)), ())[1].address == "file:///srv/a%20b%23c.tar.gz"


def test_mirrors_come_from_the_option_and_then_from_the_environment() -> None:
    environ = {"BIVY_MIRRORS": " https://b.example  file:///srv/c https://a.example"}
    assert mirrors_told(["https://a.example"], environ).urls == (
        "https://a.example",
        "https://b.example",
        "file:///srv/c",
    )
    assert mirrors_told([], {}) == Mirrors()


@pytest.mark.parametrize(
    "url", ["mirror.example/sources", "/srv/sources", "ftp://mirror.example", "", "http://[::/", "https:///a", "file:a"]
)
def test_what_is_not_an_address_is_no_mirror(url: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a mirror") as caught:
        Mirrors((url,))
    assert "https://" in (caught.value.hint or "")


def test_a_password_in_an_address_is_not_shown() -> None:
    shown = Candidate("https://me:secret@m.example:8443/a@b:c.tar.gz", ONE).shown
    assert shown == "https://me:…@m.example:8443/a@b:c.tar.gz"
