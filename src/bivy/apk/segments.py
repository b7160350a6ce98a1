"""The gzip streams that a package or an index is a row of (RFC 1952)."""

from __future__ import annotations

import zlib

from bivy.apk.errors import ApkError

_GZIP = 16 + zlib.MAX_WBITS
# An index of Alpine's, most control segments and many a package are unpacked in one go, without a copy.
_CHUNK = 1 << 20


def compress(content: bytes) -> bytes:
    """Return one gzip stream: no name, time 0, so that the same content gives the same bytes."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return compressor.compress(content) + compressor.flush()


def read_segment(source: bytes, start: int, bound: int, where: str) -> tuple[bytes, int]:
    """Unpack the gzip stream that begins at `start`.

    Args:
        source: The whole file.
        start: Where the stream begins.
        bound: The most bytes that it may unpack to.
        where: What the file is called, for messages.

    Returns:
        The content, and where the next stream begins.

    Raises:
        ApkError: There is no whole and sound stream, or more in it than `bound`.
    """
    decompressor = zlib.decompressobj(_GZIP)
    view = memoryview(source)
    pieces: list[bytes] = []
    size, position = 0, start
    while not decompressor.eof:
        chunk = view[position : position + _CHUNK]
        if not chunk:
            raise ApkError(f"{where} is truncated at byte {len(source)}", hint="fetch or build it again")
        try:
            piece = decompressor.decompress(chunk, bound - size + 1)
        except zlib.error as fault:
            raise ApkError(f"{where} is damaged after byte {start}: {fault}", hint="fetch or build it again") from None
        pieces.append(piece)
        size += len(piece)
        position += len(chunk)
        if size > bound:
            raise ApkError(f"{where} unpacks to more than {bound} bytes after byte {start}")
    return b"".join(pieces), position - len(decompressor.unused_data)
