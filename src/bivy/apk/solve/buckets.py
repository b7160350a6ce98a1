"""The order in which apk 2.14 goes through names, which decides between answers that are otherwise alike.

apk keeps all names that it ever read in one hash table and walks it bucket by bucket (database.c, hash.c, blob.c of
apk-tools 2.14). Which package is looked at first follows from that, and with it what is installed first. The hash is
MurmurHash3, x86, 32 bits (by Austin Appleby, in the public domain).
"""

from __future__ import annotations

import functools

_BUCKETS = 20_000
_SEED = 5381
_MASK = 0xFFFFFFFF


def _mix(word: int) -> int:
    word = word * 0xCC9E2D51 & _MASK
    return ((word << 15 | word >> 17) & _MASK) * 0x1B873593 & _MASK


def murmur3(content: bytes, seed: int = 0) -> int:
    """Return the MurmurHash3 of bytes: x86, 32 bits."""
    value = seed
    end = len(content) & ~3
    for start in range(0, end, 4):
        value ^= _mix(int.from_bytes(content[start : start + 4], "little"))
        value = ((value << 13 | value >> 19) & _MASK) * 5 + 0xE6546B64 & _MASK
    if end < len(content):
        value ^= _mix(int.from_bytes(content[end:], "little"))
    value ^= len(content)
    value = (value ^ value >> 16) * 0x85EBCA6B & _MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & _MASK
    return value ^ value >> 16


@functools.cache
def bucket(name: str) -> int:
    """Return the number of the bucket that apk keeps a name in."""
    return murmur3(name.encode(), _SEED) % _BUCKETS
