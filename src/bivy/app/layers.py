"""A layer is written as its files are read, so that no layer is ever in memory whole; and is kept by what made it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError
from bivy.files import naming, read_noted, write_whole
from bivy.oci import media
from bivy.oci.blob import Blob
from bivy.oci.layer import Compression, Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bivy.app.base import Base
    from bivy.app.bytecode import Compiler
    from bivy.progress import Progress

# Raised when the same files become another layer, so that what an older bivy kept is not taken.
GENERATION: Final = 1

# Nine tenths of what the highest level saves, in a tenth of its time (docs/app.md has the figures).
GZIP_LEVEL: Final = 6
ZSTD_LEVEL: Final = 9


@dataclass(frozen=True, slots=True)
class Item:
    """Something that goes into a layer.

    Attributes:
        entry: What it is, without its content where `load` gives that.
        size: The bytes of its content.
        load: Returns the content, piece by piece; ``None`` where `entry` has it.
    """

    entry: Entry
    size: int = 0
    load: Callable[[], Iterable[bytes]] | None = None

    @classmethod
    def of(cls, path: str, content: bytes, mode: int = 0o644) -> Item:
        """Return a file of root's with the content given."""
        return cls(Entry(path, Kind.FILE, mode, content=content), len(content))


class Kept(msgspec.Struct, frozen=True):
    """A layer that was made before.

    Attributes:
        digest: The digest of its compressed bytes.
        size: How many there are.
        diff_id: The digest of its bytes before compression.
        media_type: What its bytes are.
        created_by: What made it.
        paths: The paths that it has, but for folders.
        unpacked: Bytes of its files.
        content: What else is to be known of it, as whoever made it wrote it down.
    """

    digest: str
    size: int
    diff_id: str
    media_type: str
    created_by: str
    paths: tuple[str, ...] = ()
    unpacked: int = 0
    content: msgspec.Raw = field(default_factory=lambda: msgspec.Raw(b"null"))


@dataclass(frozen=True, slots=True)
class LayerStore:
    """Where layers are kept: their bytes by digest, and which was made of what.

    Attributes:
        folder: The folder.
        compression: How their bytes are compressed.
        epoch: The time that all files get, in seconds since 1970.
    """

    folder: Path
    compression: Compression
    epoch: int

    def find(self, key: str) -> Kept | None:
        """Return the layer that was made of what `key` stands for, if its bytes are there still."""
        kept = read_noted(self._record(key), Kept)
        try:
            return kept if kept and self.blob(kept.digest).stat().st_size == kept.size else None
        except OSError:
            return None

    def make(
        self, key: str, items: Iterable[Item], folders: dict[str, int], created_by: str, content: object = None
    ) -> Kept:
        """Write a layer and keep it.

        Args:
            key: What it is made of, as `key_of` returns it.
            items: What goes into it, in any order.
            folders: Folders of lower layers with their modes: above an item they stay as they are.
            created_by: What makes it, for the image's history.
            content: What else is to be known of it.

        Raises:
            BivyError: Something does not fit a layer: a path that leaves it, two items with one path, one below a file.
        """
        ordered = _ordered(items, folders, self.epoch)
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        temporary = Path(name)
        try:
            with naming(self.folder), os.fdopen(descriptor, "wb") as file:
                archive, compressed, size = hashlib.sha256(), hashlib.sha256(), 0
                for chunk in _compress(_hashed(_archive(ordered), archive), self.compression):
                    compressed.update(chunk)
                    size += file.write(chunk)
            temporary.chmod(0o644)
            digest = f"sha256:{compressed.hexdigest()}"
            self.blob(digest).parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(self.blob(digest))
        finally:
            temporary.unlink(missing_ok=True)
        kept = Kept(
            digest, size, f"sha256:{archive.hexdigest()}",
            media.LAYER_ZSTD if self.compression == "zstd" else media.LAYER_GZIP, created_by,
            tuple(item.entry.path for item in ordered if item.entry.kind is not Kind.DIRECTORY),
            sum(item.size for item in ordered), msgspec.Raw(msgspec.json.encode(content)),
        )  # fmt: skip
        write_whole(self._record(key), msgspec.json.encode(kept))
        return kept

    def remove(self, key: str) -> None:
        """Keep a layer no longer, whoever else may have made the same."""
        kept = self.find(key)
        if kept is not None:
            self.blob(kept.digest).unlink(missing_ok=True)
        self._record(key).unlink(missing_ok=True)

    def layer(self, kept: Kept) -> Layer:
        """Return a kept layer as an image has it."""
        blob = Blob(kept.digest, kept.size, self.blob(kept.digest), "bivy's cache")
        return Layer(kept.media_type, blob, kept.diff_id, kept.created_by)

    def blob(self, digest: str) -> Path:
        """Return the file that has a layer's bytes, or will have them."""
        return self.folder / "blobs" / digest.removeprefix("sha256:")

    def _record(self, key: str) -> Path:
        return self.folder / "made" / f"{key}.json"

    def key_of(self, *parts: object) -> str:
        """Digest all that a layer is made of."""
        everything = [GENERATION, self.compression, self.epoch, *parts]
        return hashlib.sha256(msgspec.json.encode(everything, order="deterministic")).hexdigest()


@dataclass(frozen=True, slots=True)
class Workplace:
    """What layers are made with.

    Attributes:
        base: What they are laid on.
        store: Where layers are kept.
        cache: bivy's cache folder.
        compiler: Returns what compiles bytecode, or why nothing can.
        compiles: What decides the bytes of bytecode, for keys.
        progress: Who watches.
    """

    base: Base
    store: LayerStore
    cache: Path
    compiler: Callable[[], Compiler | str]
    compiles: str
    progress: Progress


def _ordered(items: Iterable[Item], folders: dict[str, int], epoch: int) -> list[Item]:
    """Return items in the order of their paths, each after the folders that it is in."""
    found: dict[str, Item] = {}
    for item in items:
        path = item.entry.path
        if not path or not {"", ".", ".."}.isdisjoint(path.split("/")) or "\0" in path:
            raise BivyError(f"{path!r} is not a path inside an image")
        if found.setdefault(path, item) is not item:
            raise BivyError(f"/{path} is there twice")
    for path in list(found):
        while path := path.rpartition("/")[0]:
            if path not in found:
                found[path] = Item(Entry(path, Kind.DIRECTORY, folders.get(path, 0o755)))
            elif found[path].entry.kind is not Kind.DIRECTORY:
                raise BivyError(f"/{path} is a {found[path].entry.kind.value}, and there is something below it")
    return [
        replace(item, entry=replace(item.entry, mtime=epoch, user="", group=""))
        for item in sorted(found.values(), key=lambda item: item.entry.path.split("/"))
    ]


def _archive(items: Sequence[Item]) -> Iterator[bytes]:
    """Write an archive, piece by piece, in the form that `bivy.oci.layer.write_tar` writes, but by path."""
    from bivy.apk.errors import ApkError
    from bivy.apk.tar import end_of_archive, write_head, write_members

    for item in items:
        try:
            head = write_head(item.entry, item.size) if item.load else write_members([item.entry])
        except (ApkError, UnicodeEncodeError) as fault:
            raise BivyError(f"a layer cannot be made of the files: {fault}") from None
        yield head
        if item.load:
            written = 0
            for chunk in item.load():
                written += len(chunk)
                yield chunk
            if written != item.size:
                raise BivyError(f"/{item.entry.path} changed while it was read", hint="build again")
            yield bytes(-written % 512)
    yield end_of_archive()


def _hashed(chunks: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _compress(chunks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    if compression == "gzip":
        from bivy.compression import gzip_stream

        yield from gzip_stream(chunks, level=GZIP_LEVEL)
        return
    import zstandard

    # One worker or more give the same bytes, none gives others (zstd's manual, ZSTD_c_nbWorkers).
    compressor = zstandard.ZstdCompressor(
        level=ZSTD_LEVEL, write_checksum=True, threads=max(1, len(os.sched_getaffinity(0)))
    ).compressobj()
    for chunk in chunks:
        if found := compressor.compress(chunk):
            yield found
    yield compressor.flush()
