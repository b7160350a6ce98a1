"""A tree becomes a layer, the same bytes wherever and whenever, and a layer a tree again (image-spec 1.1, layer.md)."""

from __future__ import annotations

import io
import posixpath
import tarfile
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.tar import end_of_archive, write_members
from bivy.compression import gzip_in_pieces
from bivy.errors import BivyError
from bivy.files import write_whole
from bivy.oci import media
from bivy.oci.blob import Blob, digest_of
from bivy.rootfs.tree import Tree, merge, parents_of, without

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Compression = Literal["gzip", "zstd"]

# The highest whose window every client is ready for: 20 and more are zstd's --ultra.
ZSTD_LEVEL = 19

# Raised when the same archive becomes other bytes: what an older bivy kept of a layer is then not taken.
GENERATION = 2

# No layer of a Python image comes near; one that claims more is meant to fill the memory.
MOST_BYTES = 8 << 30

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
# What aufs kept for itself; docker and containerd pass it over.
RESERVED = ".wh..wh."

_XATTR = "SCHILY.xattr."
_KINDS = {
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARDLINK,
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.CONTTYPE: Kind.FILE,
}
# Folders, links, files, those of machine code, other names of files.
_STANDS = {Kind.DIRECTORY: 0, Kind.SYMLINK: 1, Kind.FILE: 2, Kind.HARDLINK: 4}
_DEVICES = {tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as an image has it.

    Attributes:
        media_type: What its bytes are.
        blob: Its bytes, compressed.
        diff_id: The digest of its bytes before compression.
        created_by: What made it, for the image's history.
    """

    media_type: str
    blob: Blob
    diff_id: str
    created_by: str = ""

    @property
    def digest(self) -> str:
        """The digest of the compressed bytes."""
        return self.blob.digest

    @property
    def size(self) -> int:
        """How many compressed bytes there are."""
        return self.blob.size


@dataclass(frozen=True, slots=True)
class Changes:
    """What a layer does to the tree below it.

    Attributes:
        entries: What it adds or replaces.
        removed: The paths that it removes, with all below them.
        emptied: The folders whose former content it removes, the root as the empty path.
    """

    entries: tuple[Entry, ...]
    removed: frozenset[str] = frozenset()
    emptied: frozenset[str] = frozenset()


def layer_from_tree(
    tree: Tree, *, compression: Compression = "gzip", created_by: str = "", cache: Path | None = None
) -> Layer:
    """Turn a tree into a layer; the same tree gives the same bytes on every machine.

    Args:
        tree: The tree.
        compression: How its bytes are compressed.
        created_by: What made it, for the image's history.
        cache: A folder of what was compressed before: compressing well takes longer than all else.

    Raises:
        BivyError: A name, number or time in the tree does not fit a tar archive.
    """
    archive = write_tar(tree)
    diff_id = digest_of(archive)
    kept = cache / f"{diff_id.removeprefix('sha256:')}-{GENERATION}.{compression}" if cache else None
    content = _read_kept(kept) if kept else None
    if content is None:
        content = _compress(archive, compression)
        if kept:
            write_whole(kept, digest_of(content).encode() + b"\n" + content)
    media_type = media.LAYER_ZSTD if compression == "zstd" else media.LAYER_GZIP
    return Layer(media_type, Blob.of(content), diff_id, created_by)


def _read_kept(path: Path) -> bytes | None:
    """Return what was kept of a layer, unless it is damaged: its digest goes before it."""
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return content if digest_of(content).encode() == digest else None


def read_layer(layer: Layer) -> bytes:
    """Return a layer's bytes before compression.

    Raises:
        BivyError: They are damaged, of another kind than the layer says, or more than `MOST_BYTES`.
    """
    content = layer.blob.read()
    try:
        archive = _decompress(content, layer.media_type)
    except (EOFError, OSError, ValueError, zlib.error) as fault:
        raise BivyError(f"layer {layer.digest} cannot be decompressed: {fault}") from None
    if digest_of(archive) != layer.diff_id:
        raise BivyError(
            f"layer {layer.digest} decompresses to {digest_of(archive)}, but the config says {layer.diff_id}",
            hint="build or copy the image again",
        )
    return archive


def write_tar(tree: Tree) -> bytes:
    """Write a tree as a tar archive, folders before what is in them, files of a kind beside each other.

    The format is POSIX.1-1988's ustar, with POSIX.1-2001's extended headers only for what does not fit.

    Raises:
        BivyError: A name, number or time does not fit.
    """
    ordered = sorted(tree.entries.values(), key=_place)
    try:
        # Names of users would be looked up where the layer is unpacked, and might mean someone else there.
        return write_members(replace(entry, user="", group="") for entry in ordered) + end_of_archive()
    except (ApkError, UnicodeEncodeError) as fault:
        raise BivyError(f"a layer cannot be made of the tree: {fault}") from None


def _place(entry: Entry) -> tuple[int, str, str, int, str]:
    """Say where an entry stands in an archive.

    deflate looks back 32 KiB. Files of one kind in one folder, by size, are more alike than neighbours by name: in the
    order of the paths an image is 0.3 % larger. A link to a file that comes later cannot be unpacked: those stand last.
    """
    if entry.kind is not Kind.FILE:
        return _STANDS[entry.kind], "", "", 0, entry.path
    folder, name = posixpath.split(entry.path)
    suffix = posixpath.splitext(name)[1]
    stands = _STANDS[Kind.FILE] + entry.content.startswith(b"\x7fELF")
    return stands, suffix, folder, len(entry.content), entry.path


def read_tar(archive: bytes, where: str, wanted: Callable[[str, int], bool] = lambda _path, _size: True) -> Changes:
    """Read a layer's archive.

    Device nodes, which a layer may have and a rootless container cannot, are passed over.

    Args:
        archive: The archive, not compressed.
        where: What it is called, for messages.
        wanted: Tells of a file, by its path and its size in bytes, whether its content is read; else it has none.

    Raises:
        BivyError: The archive is damaged, or something in it has no place in a tree: an absolute path, ``..``, a
            sparse file, what is below a link.
    """
    entries: dict[str, Entry] = {}
    removed, emptied = set(), set()
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", encoding="utf-8") as opened:
            for member in opened:
                path = _path(member.name)
                folder, name = posixpath.split(path)
                if name == OPAQUE:
                    emptied.add(folder)
                elif any(part.startswith(RESERVED) for part in path.split("/")):
                    continue
                elif name.startswith(WHITEOUT):
                    removed.add(_hidden(folder, name))
                elif path and member.type not in _DEVICES:
                    entries.pop(path, None)
                    entries[path] = _entry(opened, member, path, wanted)
        # What is wrong within the layer is told here; a hard link may be to a file of a lower layer's.
        Tree.of(entry for entry in entries.values() if entry.kind is not Kind.HARDLINK or entry.target in entries)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as fault:
        raise BivyError(f"{where}: not a tar archive, or a damaged one: {fault}") from None
    except BivyError as fault:
        raise BivyError(f"{where}: {fault}") from None
    return Changes(tuple(entries.values()), frozenset(removed), frozenset(emptied))


def apply_changes(lower: Tree, changes: Changes) -> Tree:
    """Return what a layer makes of the tree below it.

    Raises:
        BivyError: The layer does not fit the tree: it has something below a link or a file, or another name of a file
            that is not there.
    """

    def gone(path: str) -> bool:
        above = parents_of(path)
        return not changes.removed.isdisjoint((path, *above)) or not changes.emptied.isdisjoint((*above, ""))

    return merge(Tree.of(without(lower, gone).values()), changes.entries)


def _path(name: str) -> str:
    """Return a member's path as a tree has it, empty for the root.

    Raises:
        BivyError: It is none inside the tree.
    """
    parts = [part for part in name.rstrip("/").split("/") if part != "."]
    if ".." in parts or "" in parts[:-1] or name.startswith("/"):
        raise BivyError(f"{name!r} is not a path inside a tree")
    return "/".join(parts)


def _hidden(folder: str, name: str) -> str:
    """Return the path that a whiteout removes."""
    hidden = name.removeprefix(WHITEOUT)
    if hidden in ("", ".", ".."):
        raise BivyError(f"{name!r} hides nothing that can be there")
    return posixpath.join(folder, hidden)


def _entry(opened: tarfile.TarFile, member: tarfile.TarInfo, path: str, wanted: Callable[[str, int], bool]) -> Entry:
    if member.type not in _KINDS or member.issparse() or member.size < 0:
        raise BivyError(f"/{path} is of a kind, {member.type!r}, that a layer should not have")
    kind = _KINDS[member.type]
    content, target = b"", ""
    if kind is Kind.FILE and wanted(path, member.size):
        file = opened.extractfile(member)
        content = file.read() if file else b""
    elif kind is Kind.HARDLINK:
        target = _path(member.linkname.removeprefix("/"))
    elif kind is Kind.SYMLINK:
        target = member.linkname
    xattrs = tuple(
        (name.removeprefix(_XATTR), value.encode("utf-8", "surrogateescape"))
        for name, value in sorted(member.pax_headers.items())
        if name.startswith(_XATTR)
    )
    return Entry(
        path, kind, member.mode & 0o7777, member.uid, member.gid, member.uname, member.gname, int(member.mtime),
        target, content, xattrs,
    )  # fmt: skip


def _compress(archive: bytes, compression: Compression) -> bytes:
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compress(archive)
    return gzip_in_pieces(archive)


def _decompress(content: bytes, media_type: str) -> bytes:
    if media_type == media.LAYER:
        return content
    if media_type in media.GZIP_LAYERS:
        from gzip import GzipFile

        with GzipFile(fileobj=io.BytesIO(content)) as file:
            return _read_bounded(file.read)
    if media_type == media.LAYER_ZSTD:
        import zstandard

        try:
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True) as stream:
                return _read_bounded(stream.read)
        except zstandard.ZstdError as fault:
            raise ValueError(str(fault)) from None
    raise ValueError(f"{media_type} is not a kind of layer that is known")


def _read_bounded(read: Callable[[int], bytes]) -> bytes:
    """Read a stream to its end, in pieces: how much there is, is known only then."""
    pieces, size = [], 0
    while piece := read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
    return b"".join(pieces)
