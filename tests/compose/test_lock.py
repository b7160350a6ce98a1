"""Lock files are read as they were written, and refused where they are none."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.compose.lock import Lock, LockedPackage, format_lock, read_lock, write_lock
from bivy.errors import BivyError, UsageError

TEXTS = st.text(min_size=1, max_size=20)
PACKAGES = st.builds(LockedPackage, TEXTS, TEXTS, TEXTS, st.integers(0, 1 << 40), TEXTS)
LOCKS = st.builds(
    Lock,
    TEXTS,
    st.dictionaries(st.sampled_from(["x86_64", "aarch64"]), st.lists(PACKAGES, min_size=1, max_size=3).map(tuple)),
)


@given(LOCKS)
def test_what_is_written_is_read_again(lock: Lock) -> None:
    assert msgspec.convert(tomllib.loads(format_lock(lock)), Lock) == lock


def test_a_file_that_is_not_there_is_no_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "bivy.lock") is None


def test_the_file_is_for_people(tmp_path: Path) -> None:
    path = tmp_path / "bivy.lock"
    write_lock(path, Lock("3.24", {"x86_64": (LockedPackage("musl", "1.2.6-r2", "Q1abc=", 417, "main"),)}))
    text = path.read_text()
    assert text.startswith("# Which of Alpine's packages")
    assert '[[packages.x86_64]]\nname = "musl"\nversion = "1.2.6-r2"\nchecksum = "Q1abc="\nsize = 417\n' in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("release = ", "lock file"),
        ('release = "3.24"\npackages = 3\nversion = 1\n', "packages"),
        ('release = "3.24"\nversion = 2\n[packages]\n', "version 2"),
        ('release = "3.24"\nversion = 1\nfoo = 1\n[packages]\n', "foo"),
    ],
)
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bivy.lock"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_lock(path)


def test_a_lock_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BivyError, match="cannot be written"):
        write_lock(tmp_path / "file" / "bivy.lock", Lock("3.24", {}))
