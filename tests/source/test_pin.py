from __future__ import annotations

import pytest

from bivy.errors import UsageError
from bivy.source.pin import Pin, Place

DIGEST = "0123456789abcdef" * 4


def test_a_place_knows_its_file_name_and_what_to_call_it() -> None:
    upstream = Place(DIGEST, url="https://example.org/v1%2B2/zlib-1.3%2B2.tar.gz?download=1")
    repack = Place(DIGEST, debian="pool/main/z/zlib/zlib_1.3.orig.tar.gz")
    assert (upstream.file_name, repack.file_name) == ("zlib-1.3+2.tar.gz", "zlib_1.3.orig.tar.gz")
    assert (upstream.location, repack.location) == (upstream.url, repack.debian)
    assert str(Pin("zlib", "1.3", (upstream,))) == "zlib 1.3"


@pytest.mark.parametrize(
    ("sha256", "url", "debian"),
    [
        (DIGEST, "", ""),
        (DIGEST, "https://example.org/a", "pool/a"),
        (DIGEST.upper(), "https://example.org/a", ""),
        (DIGEST[1:], "https://example.org/a", ""),
        ("../" + DIGEST[3:], "https://example.org/a", ""),
        (DIGEST, "https://example.org/", ""),
        (DIGEST, "https://example.org/x/..", ""),
        (DIGEST, "https://[::/a", ""),
    ],
)
def test_what_is_not_one_place_of_one_file_is_refused(sha256: str, url: str, debian: str) -> None:
    with pytest.raises(UsageError) as caught:
        Place(sha256, url=url, debian=debian)
    assert caught.value.hint
