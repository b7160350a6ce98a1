"""The functions for memory that Python's library has beside the C library's, against what Python's bytes say."""

import ctypes
import platform
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.build.recipe import RECIPES

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason="they are used on x86_64 and aarch64 alone"
)
NAMES = ("memcpy", "memmove", "memset", "memcmp", "bcmp", "memchr", "memrchr")
GUARD = b"\xa5" * 80
# Around each size at which another way is taken.
sizes = st.one_of(st.integers(0, 140), st.sampled_from([1023, 1024, 1025, 4096, 5001]))
letters = st.binary(max_size=160) | st.lists(st.sampled_from(b"ab"), max_size=300).map(bytes)


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The recipe's source, its functions named so that they do not take the place of this process's own."""
    path = tmp_path_factory.mktemp("memory") / "memory.so"
    renamed = [f"-D{name}=our_{name}" for name in NAMES]
    source = RECIPES / "python" / "memory.c"
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O2", "-fno-builtin", "-Wall", "-Wextra",
         "-Werror", "-DMEMORY=", *renamed, source, "-o", path], check=True,
    )  # fmt: skip
    library = ctypes.CDLL(str(path))
    for name in NAMES:
        function = getattr(library, f"our_{name}")
        function.restype = ctypes.c_int if name.endswith("cmp") else ctypes.c_void_p
        second = ctypes.c_int if name in ("memset", "memchr", "memrchr") else ctypes.c_void_p
        function.argtypes = (ctypes.c_void_p, second, ctypes.c_size_t)
    return library


def buffer(content: bytes) -> tuple[ctypes.Array[ctypes.c_char], int]:
    """Put bytes between guards; return the whole, which has to be kept, and the address of the bytes."""
    whole = ctypes.create_string_buffer(GUARD + content + GUARD, len(content) + 2 * len(GUARD))
    return whole, ctypes.addressof(whole) + len(GUARD)


@given(size=sizes, ahead=st.integers(0, 33), back=st.integers(0, 33), name=st.sampled_from(["memcpy", "memmove"]))
def test_memory_is_copied_as_it_is_and_nothing_beside_it(
    memory: ctypes.CDLL, size: int, ahead: int, back: int, name: str
) -> None:
    content = bytes(number * 7 % 251 for number in range(size))
    source, from_here = buffer(bytes(ahead) + content)
    target, to_here = buffer(bytes(back + size))
    assert getattr(memory, f"our_{name}")(to_here + back, from_here + ahead, size) == to_here + back
    assert target.raw == GUARD + bytes(back) + content + GUARD
    assert source.raw == GUARD + bytes(ahead) + content + GUARD


@given(size=sizes, source=st.integers(0, 200), target=st.integers(0, 200))
def test_memory_is_moved_to_where_it_was_in_part(memory: ctypes.CDLL, size: int, source: int, target: int) -> None:
    content = bytearray(number * 11 % 253 for number in range(size + 200))
    whole, here = buffer(bytes(content))
    memory.our_memmove(here + target, here + source, size)
    content[target : target + size] = content[source : source + size]
    assert whole.raw == GUARD + bytes(content) + GUARD


@given(size=sizes, start=st.integers(0, 17), byte=st.integers(-1, 300))
def test_memory_is_filled_with_the_lowest_byte(memory: ctypes.CDLL, size: int, start: int, byte: int) -> None:
    whole, here = buffer(bytes(start + size))
    assert memory.our_memset(here + start, byte, size) == here + start
    assert whole.raw == GUARD + bytes(start) + bytes([byte & 0xFF]) * size + GUARD


@given(left=letters, right=letters, same=st.integers(0, 300))
def test_memory_is_ordered_as_bytes_are(memory: ctypes.CDLL, left: bytes, right: bytes, same: int) -> None:
    common = bytes(number * 13 % 256 for number in range(same))
    size = len(common) + min(len(left), len(right))
    left, right = common + left, common + right
    _a, at_a = buffer(left)
    _b, at_b = buffer(right)
    first, second = left[:size], right[:size]
    answer = memory.our_memcmp(at_a, at_b, size)
    assert (answer > 0) - (answer < 0) == (first > second) - (first < second)
    assert (memory.our_bcmp(at_a, at_b, size) == 0) == (first == second)


@given(before=letters, after=letters, byte=st.sampled_from(b"ab\x00\xff"), there=st.booleans())
def test_the_first_and_the_last_of_a_byte_are_found(
    memory: ctypes.CDLL, before: bytes, after: bytes, byte: int, there: bool
) -> None:
    content = before + bytes([byte]) * there + after
    _whole, here = buffer(content)
    for name, index in (("memchr", content.find(byte)), ("memrchr", content.rfind(byte))):
        assert getattr(memory, f"our_{name}")(here, byte + 256, len(content)) == (None if index < 0 else here + index)


@pytest.mark.parametrize("name", ["memchr", "memrchr"])
def test_what_lies_beside_is_not_found(memory: ctypes.CDLL, name: str) -> None:
    for size in range(140):
        _whole, here = buffer(bytes(size))
        assert getattr(memory, f"our_{name}")(here, GUARD[0], size) is None
