"""gzip whose bytes are the same on every machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE = 8 << 20
"""How many bytes of a large content go into one gzip member: smaller ones compress worse, 0.03 % at this size."""

_WORKER = "import sys, deflate; sys.stdout.buffer.write(deflate.gzip_compress(sys.stdin.buffer.read(), {level}))"


def gzip(content: bytes, *, level: int = 10) -> bytes:
    """Compress with libdeflate: no name, time 0 (RFC 1952, section 2.3).

    Python's own zlib module is linked with whatever the machine has, zlib or zlib-ng in some version, each with other
    bytes for the same content; libdeflate comes with bivy, in one version. Level 10 is 4 % smaller
    than zlib's best; 12 would save another 0.2 %, and takes three times as long.
    """
    import deflate

    return bytes(deflate.gzip_compress(content, level))


def gzip_in_pieces(content: bytes, *, level: int = 10) -> bytes:
    """Compress as `gzip` does, in members of `PIECE` bytes (RFC 1952, section 2.2), on all cores at once.

    How many cores there are decides nothing about the bytes. Whatever reads layers reads several members: images for
    lazy pulling (eStargz) have one for each file.
    """
    return b"".join(gzip_stream((content,), level=level))


def gzip_stream(chunks: Iterable[bytes], *, level: int = 10) -> Iterator[bytes]:
    """Compress what comes piece by piece as `gzip_in_pieces` compresses the whole, with a few pieces in memory at once.

    Args:
        chunks: The content, in chunks of any size; how it is cut decides nothing about the bytes.
        level: libdeflate's level.
    """
    pieces = _in_pieces(chunks)
    first = next(pieces, b"")
    second = next(pieces, None)
    if second is None:
        yield gzip(first, level=level)
        return
    cores = len(os.sched_getaffinity(0))
    compress = _compress_elsewhere if cores > 1 else _compress
    with ThreadPoolExecutor(cores) as pool:
        running: deque[Future[bytes]] = deque()
        for piece in chain((first, second), pieces):
            running.append(pool.submit(compress, piece, level))
            if len(running) > cores:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _in_pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a content into pieces of `PIECE` bytes, the last one with what is left."""
    waiting, size = [], 0
    for chunk in chunks:
        view = memoryview(chunk)
        while size + len(view) >= PIECE:
            cut = PIECE - size
            waiting.append(view[:cut])
            yield b"".join(waiting)
            view, waiting, size = view[cut:], [], 0
        if view:
            waiting.append(view)
            size += len(view)
    if size:
        yield b"".join(waiting)


def _compress(piece: bytes, level: int) -> bytes:
    return gzip(piece, level=level)


def _compress_elsewhere(piece: bytes, level: int) -> bytes:
    # The library holds the interpreter's lock while it works: only processes work side by side.
    command = [sys.executable, "-c", _WORKER.format(level=level)]
    return subprocess.run(command, input=piece, stdout=subprocess.PIPE, check=True).stdout
