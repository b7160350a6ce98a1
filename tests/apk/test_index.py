from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.errors import ApkError
from bivy.apk.index import IndexEntry, format_index_entry, index_entry, parse_index, read_index, write_index
from bivy.apk.package import read_info, write_package
from bivy.apk.sign import Signer
from tests.apk.samples import ENTRIES, INFO, demo

TEXT = f"""\
C:{demo().checksum}
P:demo
V:1.2.3_rc1-r4
A:x86_64
S:{demo().size}
I:32768
T:A demonstration, with ümläuts
U:https://example.org/demo
L:MIT OR Apache-2.0
o:demo-origin
m:Someone <someone@example.org>
t:1700000000
c:0123456789abcdef0123456789abcdef01234567
k:7
D:!demo-old so:libz.so.1 base>=1.0
p:cmd:demo=1.2.3_rc1-r4 so:libdemo.so.1=1.0.0
i:base docs
"""


def test_a_package_is_described_in_apk_s_letters_and_order() -> None:
    assert format_index_entry(index_entry(demo())) == TEXT


def test_an_index_is_read_back_the_same_in_the_order_of_names() -> None:
    other = read_info(write_package(replace(INFO, name="another"), ENTRIES))
    index = write_index([demo(), other], "v1")
    assert read_index(index, None) == (index_entry(other), index_entry(demo()))
    assert write_index([other, demo()], "v1") == index
    assert write_index(read_index(index, None), "v1") == index


def test_other_programs_read_the_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(write_index([demo()], "v1"))) as archive:
        assert archive.getnames() == ["DESCRIPTION", "APKINDEX"]
        content = archive.extractfile("APKINDEX")
        assert content is not None
        assert content.read().decode() == TEXT + "\n"


@pytest.mark.parametrize("sha256", [False, True])
def test_a_signed_index_is_taken_for_its_key_only(signer: Signer, sha256: bool) -> None:
    index = write_index([demo()], "v1", replace(signer, sha256=sha256))
    keys = {signer.name: signer.key.public}
    assert read_index(index, keys) == (index_entry(demo()),)
    with pytest.raises(ApkError, match=r"^x is signed by .*, whose key is not trusted"):
        read_index(index, {}, "x")
    with pytest.raises(ApkError, match="is not signed"):
        read_index(write_index([demo()], "v1"), keys)
    with pytest.raises(ApkError, match="something follows"):
        read_index(index + gzip.compress(b"", mtime=0), keys)


def test_unknown_fields_are_kept() -> None:
    entry = parse_index("C:Q1\nP:a\nV:1\nX:future\ny:more\n", "x")[0]
    assert entry.unknown == (("X", "future"), ("y", "more"))
    assert read_index(write_index([entry], ""), None) == (entry,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C:Q1\nP:a\nV:1\n\nP:b\nV:1\n", "x, line 5: the field C is missing"),
        ("C:Q1\nP:a\nP:b\nV:1\n", "x, line 1: the field P is there twice"),
        ("C:Q1\nP:a\nV:1\nS:big\n", "the field S is 'big', not a number"),
        ("nonsense\n", "'nonsense' is not a field"),
        (":\n", "':' is not a field"),
    ],
)
def test_a_faulty_text_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ApkError, match=message):
        parse_index(text, "x")


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"", mtime=0), gzip.compress(b"no tar" * 100, mtime=0)],
    ids=["empty", "no gzip", "gzip of nothing", "gzip of no archive"],
)
def test_what_is_no_index_is_refused(content: bytes) -> None:
    with pytest.raises(ApkError, match="the index"):
        read_index(content, None)


def test_a_text_that_would_end_its_line_is_not_written() -> None:
    with pytest.raises(ApkError, match=r"package a: .* does not fit the lines"):
        write_index([IndexEntry("Q1", "a", "1", description="x\n\nP:b")], "")


def test_a_genuine_index_is_read_and_its_texts_are_written_the_same(genuine: Path) -> None:
    entries = read_index((genuine / "APKINDEX.tar.gz").read_bytes(), None)
    assert len(entries) == 4929
    assert entries[0].name == "git-zsh-completion"
    assert entries[0].install_if == ("zsh=5.8.1-r4", "git")
    assert not any(entry.unknown for entry in entries)
    with tarfile.open(genuine / "APKINDEX.tar.gz", ignore_zeros=True) as archive:
        content = archive.extractfile("APKINDEX")
        assert content is not None
        assert "".join(f"{format_index_entry(entry)}\n" for entry in entries) == content.read().decode()


@given(st.text(alphabet="CPVSD:aQ1\n ", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        entries = parse_index(text, "x")
    except ApkError:
        return
    assert parse_index("".join(f"{format_index_entry(entry)}\n" for entry in entries), "x") == entries


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_index_is_refused_or_the_same(position: int, value: int) -> None:
    index = bytearray(write_index([demo()], "v1"))
    index[position % len(index)] = value
    with contextlib.suppress(ApkError):
        assert read_index(bytes(index), None) == (index_entry(demo()),)
