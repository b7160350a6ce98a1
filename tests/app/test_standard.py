"""Which modules of the base's have bytecode in its pack already."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.app.standard import packed_modules


def pack(names: list[str]) -> bytes:
    index = bytes(24 * len(names)) + "\n".join(names).encode()
    return (
        b"BYTEPACK" + bytes(4) + len(names).to_bytes(4, "little") + len(index).to_bytes(4, "little") + bytes(12) + index
    )


def test_the_names_in_it_are_told(tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(pack(["a.py", "b/c.py"]) + b"code")
    assert packed_modules(tmp_path / "pack") == {"a.py", "b/c.py"}


def test_a_base_without_one_has_none(tmp_path: Path) -> None:
    assert packed_modules(tmp_path / "pack") == frozenset()
    assert packed_modules(tmp_path) == frozenset()


@pytest.mark.parametrize(
    "content", [b"", b"BYTEPACK", b"x" * 100, b"BYTEPACK" + b"\xff" * 24, pack(["a.py"])[:-2] + b"\xff\xff"]
)
def test_one_that_cannot_be_read_has_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(content)
    assert packed_modules(tmp_path / "pack") == frozenset()


@given(st.binary(max_size=200))
def test_no_bytes_do_any_harm(content: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(b"BYTEPACK" + content)
        file.flush()
        assert isinstance(packed_modules(Path(file.name)), frozenset)
