"""What is compressed is the same bytes on every machine."""

from __future__ import annotations

import gzip as reference
import os
import random

import pytest

from bivy.compression import PIECE, gzip, gzip_in_pieces


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 2 * PIECE + 12345])
def test_what_is_compressed_in_pieces_is_the_same_when_unpacked(size: int) -> None:
    content = random.Random(size).randbytes(1000) * (size // 1000 + 1)
    assert reference.decompress(gzip_in_pieces(content[:size])) == content[:size]


def test_a_content_of_one_piece_is_one_member() -> None:
    assert gzip_in_pieces(b"a" * PIECE) == gzip(b"a" * PIECE)


def test_how_many_cores_there_are_decides_nothing_about_the_bytes() -> None:
    content = random.Random(1).randbytes(5000) * (3 * PIECE // 5000)
    cores = os.sched_getaffinity(0)
    on_all = gzip_in_pieces(content)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert gzip_in_pieces(content) == on_all
    finally:
        os.sched_setaffinity(0, cores)
