"""A layer is written as its files are read, with the bytes that the whole tree would have."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.entry import Entry, Kind
from bivy.app.layers import Item, LayerStore
from bivy.compression import PIECE, gzip_in_pieces, gzip_stream
from bivy.errors import BivyError
from bivy.oci.layer import read_layer, write_tar
from bivy.rootfs.tree import Tree, normalise
from tests.app.making import EPOCH

ITEMS = (
    Item.of("usr/bin/tool", b"#!/bin/sh\n", 0o755),
    Item(Entry("srv/data", Kind.DIRECTORY, 0o700, 7, 8)),
    Item(Entry("srv/link", Kind.SYMLINK, 0o777, target="data")),
    Item(Entry("usr/lib/large", Kind.FILE, 0o644), 2000, lambda: (b"x" * 1500, b"y" * 500)),
)


def store(folder: Path) -> LayerStore:
    return LayerStore(folder, "gzip", EPOCH)


def members(at: LayerStore, digest: str) -> list[tarfile.TarInfo]:
    with tarfile.open(at.blob(digest), "r:gz") as archive:
        return archive.getmembers()


def members_of(archive: bytes) -> list[tuple[list[str], object, bytes]]:
    """Return what an archive says of each member, with its content."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [
            (each.name.split("/"), (each.get_info(), each.pax_headers), content.read() if content else b"")
            for each in tar
            for content in [tar.extractfile(each) if each.isfile() else None]
        ]


def test_a_layer_is_what_the_whole_tree_would_be(tmp_path: Path) -> None:
    at = store(tmp_path)
    kept = at.make("key", ITEMS, {}, "a test")
    entries = [Entry(each.entry.path, each.entry.kind, each.entry.mode, each.entry.uid, each.entry.gid,
                     target=each.entry.target, content=b"".join(each.load()) if each.load else each.entry.content)
               for each in ITEMS]  # fmt: skip
    # By path: files are read one after the other, and none is there when the order is decided.
    whole = members_of(write_tar(normalise(Tree.of(entries), EPOCH)))
    assert members_of(read_layer(at.layer(kept))) == sorted(whole, key=lambda member: member[0])
    assert kept.paths == ("srv/link", "usr/bin/tool", "usr/lib/large")
    assert kept.unpacked == 2010


def test_the_order_of_items_decides_nothing(tmp_path: Path) -> None:
    first = store(tmp_path / "a").make("key", ITEMS, {}, "a test")
    second = store(tmp_path / "b").make("key", reversed(ITEMS), {}, "a test")
    assert first.digest == second.digest


def test_folders_of_lower_layers_keep_their_modes(tmp_path: Path) -> None:
    at = store(tmp_path)
    kept = at.make("key", [Item.of("root/a/file", b"")], {"root": 0o700}, "a test")
    modes = {each.name: each.mode for each in members(at, kept.digest)}
    assert modes == {"root": 0o700, "root/a": 0o755, "root/a/file": 0o644}


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([Item.of("a", b""), Item.of("a", b"other")], "/a is there twice"),
        ([Item.of("a", b""), Item.of("a/b", b"")], "/a is a file, and there is something below it"),
        ([Item.of("../a", b"")], "not a path inside an image"),
        ([Item.of("/a", b"")], "not a path inside an image"),
        ([Item(Entry("a", Kind.FILE, 0o644), 3, lambda: (b"four",))], "/a changed while it was read"),
    ],
)
def test_what_fits_no_layer_is_refused_and_nothing_is_left_behind(tmp_path: Path, items: list[Item], said: str) -> None:
    at = store(tmp_path / "layers")
    with pytest.raises(BivyError, match=said):
        at.make("key", items, {}, "a test")
    assert at.find("key") is None
    assert [path for path in (tmp_path / "layers").rglob("*") if path.is_file()] == []


def test_a_layer_is_found_again_by_what_it_is_made_of(tmp_path: Path) -> None:
    at = store(tmp_path)
    assert at.find("key") is None
    kept = at.make("key", ITEMS, {}, "a test", ["what is in it"])
    assert at.find("key") == kept
    assert bytes(kept.content) == b'["what is in it"]'


def test_a_layer_whose_bytes_are_gone_or_cut_off_is_made_anew(tmp_path: Path) -> None:
    at = store(tmp_path)
    kept = at.make("key", ITEMS, {}, "a test")
    at.blob(kept.digest).write_bytes(b"cut off")
    assert at.find("key") is None
    at.blob(kept.digest).unlink()
    assert at.find("key") is None


def test_both_compressions_hold_the_same_archive(tmp_path: Path) -> None:
    gzip = LayerStore(tmp_path, "gzip", EPOCH)
    zstd = LayerStore(tmp_path, "zstd", EPOCH)
    first, second = gzip.make("a", ITEMS, {}, "a test"), zstd.make("b", ITEMS, {}, "a test")
    assert first.diff_id == second.diff_id
    assert read_layer(gzip.layer(first)) == read_layer(zstd.layer(second))


@given(content=st.binary(max_size=300), repeated=st.sampled_from([0, 1, PIECE // 100]), cuts=st.integers(1, 1 << 20))
def test_compressing_piece_by_piece_gives_the_same_bytes_as_all_at_once(
    content: bytes, repeated: int, cuts: int
) -> None:
    whole = content * repeated
    chunks = [whole[start : start + max(cuts, len(whole) // 50)] for start in
              range(0, len(whole), max(cuts, len(whole) // 50))]  # fmt: skip
    assert b"".join(gzip_stream(chunks, level=1)) == gzip_in_pieces(whole, level=1)


def test_what_is_compressed_piece_by_piece_comes_out_again() -> None:
    content = bytes(range(256)) * (PIECE // 128)
    compressed = b"".join(gzip_stream(iter([content[:1000], content[1000:]]), level=1))
    found, left = b"", compressed
    while left:
        stream = zlib.decompressobj(31)
        found += stream.decompress(left)
        left = stream.unused_data
    assert found == content
    assert io.BytesIO(found).read(4) == b"\0\1\2\3"
