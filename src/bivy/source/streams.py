"""A compressed tar archive as a stream of its bytes, read forward only and within a bound."""

from __future__ import annotations

import bz2
import gzip
import lzma
from typing import IO, cast

_CHUNK = 1 << 20
_LONGEST_HEADER = 1 << 24


class RefusedError(Exception):
    """An archive or a member that is not read, and why; without a member's name, the archive itself."""

    def __init__(self, why: str, member: str = "") -> None:
        super().__init__(f"{member!r} {why}" if member else why)


def decompressed(file: IO[bytes], magic: bytes) -> IO[bytes]:
    """Return what a file of a tar archive holds once decompressed.

    Args:
        file: The file, at its start; plain, or compressed with gzip, bzip2, xz or zstd.
        magic: Its first bytes, 262 where it has so many.

    Raises:
        RefusedError: It is nothing of that.
    """
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if magic.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))
    if magic[257:262] == b"ustar":
        return file
    raise RefusedError("it is neither a tar nor a zip archive")


class Forward:
    """A stream that tarfile reads forward only, within a bound, and whose last bytes tell how the archive ended.

    Attributes:
        last: What was read last.
    """

    def __init__(self, stream: IO[bytes], bound: int, longest: int = _LONGEST_HEADER) -> None:
        """Read from a stream.

        Args:
            stream: What is read.
            bound: How many bytes it may have.
            longest: How many bytes tarfile may want at once, which it does for headers.
        """
        self._stream = stream
        self._bound = bound
        self._longest = longest
        self._position = 0
        self.last = b""

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer only at the end.

        Raises:
            RefusedError: That is more at once than a header has, or there are more bytes than the bound allows.
        """
        if size > self._longest:
            raise RefusedError(f"a header in it has {size} bytes")
        parts = []
        while size > 0 and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
        self.last = b"".join(parts)
        self._position += len(self.last)
        if self._position > self._bound:
            raise RefusedError(f"it has more than {self._bound} bytes when unpacked")
        return self.last

    def seek(self, position: int) -> int:
        """Read on up to a position; one that is behind already changes nothing."""
        while self._position < position and self.read(min(_CHUNK, self._longest, position - self._position)):
            pass
        return self._position
