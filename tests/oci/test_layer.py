import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.oci import layer as layer_module
from bivy.oci import media
from bivy.oci.blob import Blob, digest_of
from bivy.oci.layer import Changes, Compression, Layer, apply_changes, layer_from_tree, read_layer, read_tar, write_tar
from bivy.rootfs.tree import Tree
from tests.rootfs.trees import contents, file, folder, hardlink, symlink, trees

TREE = Tree.of([
    folder("tmp", 0o1777), file("bin/sh", b"#!", 0o4755), symlink("bin/ash", "sh"), hardlink("bin/a", "bin/sh", 0o4755),
    file("etc/shadow", b"x" * 600, 0o640, gid=42, group="shadow"), file("long/" + "x" * 150, b"long"),
    file("numbers", " ".join(str(number * number) for number in range(20_000)).encode()),
    file("ping", b"", xattrs=(("security.capability", b"\x01\x00\xff="),)),
])  # fmt: skip


def members(*wanted: tarfile.TarInfo | str, content: bytes = b"") -> bytes:
    """An archive of members, as a tool of somebody else's writes it; a name is an empty file's."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        for each in wanted:
            member = tarfile.TarInfo(each) if isinstance(each, str) else each
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return memory.getvalue()


def member(name: str, kind: bytes, linkname: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, linkname
    return made


@given(trees(), st.sampled_from(["gzip", "zstd"]))
def test_a_tree_is_the_same_after_it_was_a_layer(tree: Tree, compression: Compression) -> None:
    layer = layer_from_tree(tree, compression=compression)
    assert apply_changes(Tree.of([]), read_tar(read_layer(layer), "layer")) == tree


def test_a_layer_is_the_same_bytes_on_every_machine() -> None:
    # Whoever changes these changes the digest of every image that was ever built: deliberately, or by a new version
    # of the compressor, of Python or of the machine.
    layer = layer_from_tree(TREE)
    assert layer.diff_id == "sha256:5a9a2fca0a297d0c5bd1b411d7ffed7cbcb8a0857c89ff28e719c3df2ff17fdf"
    assert layer.digest == "sha256:2686545e6908fbd7b55b481f21de9f574cbf8fbe154a0b442565e92fefd1c803"
    assert (
        layer_from_tree(TREE, compression="zstd").digest
        == "sha256:a3e714914226afc1497f07c51b63ff3a1c0f2572b982680b78f4327033b32955"
    )


def test_a_layer_does_not_depend_on_locale_time_zone_or_hash_seed() -> None:
    program = (
        "from tests.oci.test_layer import TREE; from bivy.oci.layer import layer_from_tree;"
        "print(layer_from_tree(TREE).digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == layer_from_tree(TREE).digest, done.stderr


def test_other_programs_read_the_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(write_tar(TREE))) as archive:
        found = {each.name: each for each in archive}
    assert list(found)[-1] == "bin/a"
    assert (found["etc/shadow"].uid, found["etc/shadow"].gid, found["etc/shadow"].gname) == (0, 42, "")
    assert found["bin/sh"].mode == 0o4755
    assert found["bin/ash"].linkname == "sh"
    assert found["bin/a"].linkname == "bin/sh"
    assert found["long/" + "x" * 150].size == 4


def test_extended_headers_are_only_where_something_does_not_fit() -> None:
    plain = Tree.of([folder("a"), file("a/b", b"1"), symlink("c", "a")])
    assert _types(write_tar(plain)) == [b"5", b"2", b"0"]


def test_files_of_a_kind_stand_beside_each_other_and_machine_code_after_the_rest() -> None:
    machine = b"\x7fELF"
    tree = Tree.of([
        folder("a"), folder("b"), file("a/x.py", b"123"), file("a/y.so", machine), file("a/z.py", b"1"),
        file("b/w.py", b""), file("b/t.txt", b""), symlink("b/l", "t.txt"), hardlink("b/0", "a/x.py"),
    ])  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(write_tar(tree))) as archive:
        assert archive.getnames() == ["a", "b", "b/l", "a/z.py", "a/x.py", "b/w.py", "b/t.txt", "a/y.so", "b/0"]


def _types(archive: bytes) -> list[bytes]:
    found, position = [], 0
    while archive[position]:
        header = archive[position : position + 512]
        found.append(header[156:157])
        position += 512 + -(-int(header[124:135], 8) // 512) * 512
    return found


@pytest.mark.parametrize(
    "entry", [file("a", uid=1 << 40), file("a", mtime=-1), file("a\udcff"), file("a", xattrs=(("user.\udcff", b""),))]
)
def test_what_does_not_fit_an_archive_is_refused(entry: object) -> None:
    with pytest.raises(BivyError, match="a layer cannot be made"):
        layer_from_tree(Tree.of([entry]))  # type: ignore[list-item]


def test_the_gzip_header_tells_neither_time_nor_name() -> None:
    header = layer_from_tree(TREE).blob.read()[:10]
    assert header[:3] == b"\x1f\x8b\x08"
    assert header[3:8] == bytes(5)


@pytest.mark.parametrize("media_type", [media.LAYER, media.LAYER_GZIP, media.DOCKER_LAYER, media.LAYER_ZSTD])
def test_layers_of_every_kind_are_read(media_type: str) -> None:
    archive = write_tar(TREE)
    packed = {media.LAYER: archive, media.LAYER_ZSTD: zstandard.ZstdCompressor().compress(archive)}
    layer = Layer(media_type, Blob.of(packed.get(media_type, gzip.compress(archive))), digest_of(archive))
    assert read_layer(layer) == archive


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        (media.LAYER_GZIP, b"not gzip"),
        (media.LAYER_GZIP, gzip.compress(bytes(range(256)), mtime=0)[:-100]),
        (media.LAYER_GZIP, gzip.compress(bytes(500), mtime=0)[:12] + b"\xff" * 40),
        (media.LAYER_ZSTD, b"not zstd"),
        (media.LAYER_ZSTD, zstandard.ZstdCompressor().compress(bytes(500))[:-3]),
        ("application/x-strange", b""),
        (media.LAYER, b"something else"),
    ],
)
def test_a_damaged_layer_is_a_fault_that_names_it(media_type: str, content: bytes) -> None:
    layer = Layer(media_type, Blob.of(content), digest_of(b"whole"))
    with pytest.raises(BivyError, match=f"layer {layer.digest} "):
        read_layer(layer)


@pytest.mark.parametrize("media_type", [media.LAYER_GZIP, media.LAYER_ZSTD])
def test_a_layer_that_would_fill_the_memory_is_refused(media_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_module, "MOST_BYTES", 5 << 20)
    bomb = bytes(6 << 20)
    packed = gzip.compress(bomb) if media_type == media.LAYER_GZIP else zstandard.ZstdCompressor().compress(bomb)
    with pytest.raises(BivyError, match="more than 5242880 bytes"):
        read_layer(Layer(media_type, Blob.of(packed), digest_of(bomb)))


def apply(lower: Tree, *names: tarfile.TarInfo | str) -> dict[str, bytes | str]:
    return contents(apply_changes(lower, read_tar(members(*names), "layer")))


LOWER = Tree.of([file("etc/a"), file("etc/deep/b"), file("var/c"), folder("tmp", 0o1777)])


def test_a_whiteout_removes_a_file_or_a_folder_of_the_layers_below() -> None:
    assert apply(LOWER, "etc/.wh.deep", "var/.wh.c") == {"etc": "/", "etc/a": b"", "var": "/", "tmp": "/"}


def test_an_opaque_folder_hides_what_is_below_it_but_not_what_comes_with_it() -> None:
    seen = apply(LOWER, "etc/new", "etc/.wh..wh..opq")
    assert seen == {"etc": "/", "etc/new": b"", "var": "/", "var/c": b"", "tmp": "/"}
    assert apply(LOWER, ".wh..wh..opq", "only") == {"only": b""}


def test_a_whiteout_leaves_what_its_own_layer_brings() -> None:
    assert apply(LOWER, "var/c", "var/.wh.c")["var/c"] == b""
    assert apply(LOWER, ".wh.nothing") == contents(LOWER)


def test_what_a_file_system_keeps_for_itself_is_no_file() -> None:
    assert apply(LOWER, ".wh..wh.plnk/5.6", ".wh..wh.aufs") == contents(LOWER)


def test_a_folder_that_a_layer_only_goes_through_keeps_its_mode() -> None:
    tree = apply_changes(LOWER, read_tar(members("tmp/x"), "layer"))
    assert tree.entries["tmp"].mode == 0o1777


def test_another_name_of_a_file_of_a_lower_layer() -> None:
    assert apply(LOWER, member("name", tarfile.LNKTYPE, "./etc/a"))["name"] == b""
    with pytest.raises(BivyError, match="/name is another name of /gone"):
        apply(LOWER, member("name", tarfile.LNKTYPE, "gone"))


def test_another_name_of_a_removed_file_keeps_the_content() -> None:
    lower = Tree.of([file("a", b"content"), hardlink("b", "a")])
    assert apply(lower, ".wh.a") == {"b": b"content"}


def test_names_as_other_tools_write_them() -> None:
    changes = read_tar(members(member("./", tarfile.DIRTYPE), member("./etc/", tarfile.DIRTYPE), "./etc/a"), "layer")
    assert [entry.path for entry in changes.entries] == ["etc", "etc/a"]


def test_of_two_members_of_one_name_the_later_is_meant() -> None:
    changes = read_tar(members("a", member("a", tarfile.DIRTYPE), "a/b"), "layer")
    assert [entry.path for entry in changes.entries] == ["a", "a/b"]


def test_devices_are_passed_over() -> None:
    kinds = [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
    assert read_tar(members(*(member(f"dev/{kind!r}", kind) for kind in kinds)), "layer") == Changes(())


def test_names_that_are_not_utf8_are_read() -> None:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo("ü"))
    assert read_tar(memory.getvalue(), "layer").entries[0].path == "\udcfc"


@pytest.mark.parametrize(
    "hostile",
    [
        ["/etc/passwd"], ["../x"], ["a/../../x"], ["a/../b"], ["a//b"],
        [member("a", tarfile.SYMTYPE, "/etc"), "a/passwd"],
        [member("a", tarfile.SYMTYPE, "../.."), "a/b/c"],
        ["a", "a/b"],
        [member("a", tarfile.LNKTYPE, "../../etc/passwd")],
        [member("a", tarfile.LNKTYPE, "a")],
        [".wh."], [".wh..", "x"], ["a/.wh..."], ["../.wh.x"], ["/.wh.x"], ["../.wh..wh..opq"],
        [member("a", b"Z")],
    ],
)  # fmt: skip
def test_a_layer_that_tries_to_leave_its_tree_is_refused(hostile: list[tarfile.TarInfo | str]) -> None:
    with pytest.raises(BivyError, match=r"^layer: "):
        read_tar(members(*hostile), "layer")


def test_a_sparse_file_that_claims_a_terabyte_is_refused() -> None:
    claim = member("a", tarfile.REGTYPE)
    claim.pax_headers = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,1", "GNU.sparse.major": "0"}
    with pytest.raises(BivyError, match="/a is of a kind"):
        read_tar(members(claim, content=b"x"), "layer")


@pytest.mark.parametrize("kind", [b"0", b"x", b"g", b"L", b"K", b"S", b"1"])
def test_a_negative_size_ends_the_reading(kind: bytes) -> None:
    archive = bytearray(members("first", "second"))
    header = archive[512:1024]
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"  # minus 1024, in base 256
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive[512:1024] = header
    with pytest.raises(BivyError, match=r"^layer: "):
        read_tar(bytes(archive), "layer")


ARCHIVE = write_tar(TREE)


@given(st.integers(0, len(ARCHIVE) - 1), st.binary(min_size=1, max_size=12), st.booleans())
def test_damage_anywhere_is_told_or_harmless(position: int, noise: bytes, cut: bool) -> None:
    damaged = ARCHIVE[:position] + noise + (b"" if cut else ARCHIVE[position + len(noise) :])
    try:
        changes = read_tar(damaged, "layer")
    except BivyError:
        return
    assert all(".." not in entry.path.split("/") for entry in changes.entries)


def test_a_file_that_is_cut_off_is_told() -> None:
    whole = members("a", content=bytes(5000))
    with pytest.raises(BivyError, match="damaged"):
        read_tar(whole[:3000], "layer")


def test_the_blob_is_read_from_its_file(tmp_path: Path) -> None:
    made = layer_from_tree(TREE, created_by="a test")
    path = tmp_path / "blob"
    path.write_bytes(made.blob.read())
    lazy = Layer(made.media_type, Blob(made.digest, made.size, path), made.diff_id)
    assert hashlib.sha256(read_layer(lazy)).hexdigest() == made.diff_id.removeprefix("sha256:")


def test_what_was_compressed_before_is_taken_from_the_cache_unless_it_is_damaged(tmp_path: Path) -> None:
    tree = Tree.of([folder("etc"), file("etc/file", b"a" * 5000)])
    fresh = layer_from_tree(tree)
    first = layer_from_tree(tree, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    content = kept.read_bytes()
    again = layer_from_tree(tree, cache=tmp_path)
    kept.write_bytes(content[:-9] + b"\0" + content[-8:])
    repaired = layer_from_tree(tree, cache=tmp_path)
    assert {layer.digest for layer in (fresh, first, again, repaired)} == {fresh.digest}
    assert kept.read_bytes() == content
