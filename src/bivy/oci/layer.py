"""A tree becomes a layer, the same bytes wherever and whenever, and a layer a tree again (image-spec 1.1, layer.md)."""

from __future__ import annotations

import io
import posixpath
import tarfile
from dataclasses import dataclass
from typing import Literal

from bivy.apk.entry import Entry, Kind
from bivy.compression import gzip
from bivy.errors import BivyError
from bivy.oci import media
from bivy.oci.blob import Blob, digest_of
from bivy.rootfs.tree import Tree

Compression = Literal["gzip", "zstd"]

ZSTD_LEVEL = 19

# No layer of a Python image comes near; one that claims more is meant to fill the disk.
MOST_BYTES = 16 << 30

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


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


def layer_from_tree(tree: Tree, *, compression: Compression = "gzip", created_by: str = "") -> Layer:
    """Turn a tree into a layer; the same tree gives the same bytes on every machine."""
    archive = write_tar(tree)
    media_type, content = _compress(archive, compression)
    return Layer(media_type, Blob.of(content), digest_of(archive), created_by)


def read_layer(layer: Layer) -> bytes:
    """Return a layer's bytes before compression.

    Raises:
        BivyError: They are damaged, of another kind than the layer says, or more than `MOST_BYTES`.
    """
    content = layer.blob.read()
    try:
        archive = _decompress(content, layer.media_type)
    except (EOFError, OSError, ValueError) as fault:
        raise BivyError(f"layer {layer.digest} cannot be decompressed: {fault}") from None
    if digest_of(archive) != layer.diff_id:
        raise BivyError(f"layer {layer.digest} decompresses to {digest_of(archive)}, not to {layer.diff_id}")
    return archive


def write_tar(tree: Tree) -> bytes:
    """Write a tree as a tar archive, folders before what is in them, in the order of the paths.

    The format is POSIX.1-1988's ustar, with POSIX.1-2001's extended headers only for what does not fit.
    """
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.PAX_FORMAT) as archive:
        # A link to a file that comes later in the order cannot be unpacked: all links to files stand at the end.
        ordered = sorted(tree.entries.values(), key=lambda entry: entry.kind is Kind.HARDLINK)
        for entry in ordered:
            archive.addfile(_member(entry), io.BytesIO(entry.content))
    return memory.getvalue()


def read_tar(archive: bytes, where: str) -> tuple[Tree, frozenset[str], frozenset[str]]:
    """Read a layer's archive.

    Returns:
        What the layer adds; the paths of lower layers that it removes; the folders whose former content it hides.

    Raises:
        BivyError: The archive is damaged, or something in it has no place in a tree. Device nodes, which a layer may
            have and a rootless container cannot, are passed over.
    """
    entries: dict[str, Entry] = {}
    removed, hidden = set(), set()
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
            for member in opened:
                path = posixpath.normpath(member.name.lstrip("/")) if not member.name.startswith("/") else member.name
                if path == ".":
                    continue
                folder, name = posixpath.split(path)
                if name == OPAQUE:
                    hidden.add(folder)
                elif name.startswith(WHITEOUT):
                    removed.add(posixpath.join(folder, name.removeprefix(WHITEOUT)))
                elif not (member.ischr() or member.isblk() or member.isfifo()):
                    entries.pop(path, None)
                    entries[path] = _entry(opened, member, path)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as fault:
        raise BivyError(f"{where}: not a tar archive, or a damaged one: {fault}") from None
    return Tree.of(_without_dangling(entries)), frozenset(removed), frozenset(hidden)


def apply_layer(lower: Tree, layer: Layer) -> Tree:
    """Return what a layer makes of the tree below it.

    Raises:
        BivyError: The layer is damaged.
    """
    tree, removed, hidden = read_tar(read_layer(layer), f"layer {layer.digest}")
    kept: dict[str, Entry] = {}
    for path, entry in lower.entries.items():
        above = [path, *_above(path)]
        if any(place in removed for place in above) or any(place in hidden for place in above[1:]):
            continue
        # What was a folder below and is none any more takes all that was in it along.
        if any(place in tree.entries and tree.entries[place].kind is not Kind.DIRECTORY for place in above[1:]):
            continue
        kept[path] = entry
    return Tree.of({**kept, **tree.entries}.values())


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


def _member(entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.path)
    member.mode, member.mtime = entry.mode, entry.mtime
    # Names of users would be looked up where the layer is unpacked, and might mean someone else there.
    member.uid, member.gid, member.uname, member.gname = entry.uid, entry.gid, "", ""
    if entry.kind is Kind.DIRECTORY:
        member.type = tarfile.DIRTYPE
    elif entry.kind is Kind.SYMLINK:
        member.type, member.linkname = tarfile.SYMTYPE, entry.target
    elif entry.kind is Kind.HARDLINK:
        member.type, member.linkname = tarfile.LNKTYPE, entry.target
    else:
        member.size = len(entry.content)
    # SCHILY.xattr. is what image-spec's layer.md takes from tar for extended attributes.
    member.pax_headers = {
        f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape") for name, value in entry.xattrs
    }
    return member


def _entry(opened: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> Entry:
    kind = (
        Kind.DIRECTORY
        if member.isdir()
        else Kind.SYMLINK
        if member.issym()
        else Kind.HARDLINK
        if member.islnk()
        else Kind.FILE
    )
    content = b""
    if kind is Kind.FILE:
        file = opened.extractfile(member)
        content = file.read() if file else b""
        if len(content) != member.size:
            raise EOFError(f"{member.name} is cut off")
    target = member.linkname
    if kind is Kind.HARDLINK:
        target = posixpath.normpath(member.linkname.lstrip("/"))
    xattrs = tuple(
        (name.removeprefix("SCHILY.xattr."), value.encode("utf-8", "surrogateescape"))
        for name, value in sorted(member.pax_headers.items())
        if name.startswith("SCHILY.xattr.")
    )
    return Entry(
        path, kind, member.mode & 0o7777, member.uid, member.gid, member.uname or "", member.gname or "",
        int(member.mtime), target, content, xattrs,
    )  # fmt: skip


def _without_dangling(entries: dict[str, Entry]) -> list[Entry]:
    """Give a name of a file that a lower layer has no second life: turn it away rather than guess at its content."""
    for entry in entries.values():
        if entry.kind is Kind.HARDLINK and entry.target not in entries:
            raise BivyError(f"/{entry.path} is another name of /{entry.target}, which the layer does not have")
    return list(entries.values())


def _compress(archive: bytes, compression: Compression) -> tuple[str, bytes]:
    if compression == "zstd":
        import zstandard

        return media.LAYER_ZSTD, zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compress(archive)
    return media.LAYER_GZIP, gzip(archive)


def _decompress(content: bytes, media_type: str) -> bytes:
    if media_type == media.LAYER:
        return content
    if media_type in media.GZIP_LAYERS:
        from gzip import GzipFile

        return GzipFile(fileobj=io.BytesIO(content)).read(MOST_BYTES)
    if media_type == media.LAYER_ZSTD:
        import zstandard

        try:
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True) as stream:
                return stream.read(MOST_BYTES)
        except zstandard.ZstdError as fault:
            raise ValueError(str(fault)) from None
    raise ValueError(f"{media_type} is not a kind of layer that is known")
