"""A wheel at an index, read by asking for the pieces that are needed (RFC 9110, section 14), not downloaded whole."""

from __future__ import annotations

import contextlib
import functools
import re
import tempfile
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from bivy.errors import BivyError
from bivy.musl.archives.wheel import Traffic, Wheel, open_wheel, read_wheel
from bivy.source.download import UnavailableError, opened, refused, unavailable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import httpx

    from bivy.musl.archives.zipped import Bounds

_TAIL = 1 << 16  # the list of members of most wheels, and what they say of themselves
_BLOCK = 1 << 18
_BLOCKS_AT_ONCE = 16
_BLOCKS_KEPT = 128
_ATTEMPTS = 3
_PAUSE = 0.2
# How servers answer that do not know the form of range that asks for the last bytes.
_NO_SUFFIX = {400, 405, 416, 501}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a file: its place, the size of the whole, what names this state of the file, and the bytes."""

    start: int
    total: int
    state: str
    content: bytes


class _WholeError(Exception):
    """A server gives files whole only."""


@contextlib.contextmanager
def open_remote_wheel(
    client: httpx.Client,
    address: str,
    *,
    bounds: Bounds | None = None,
    limit: int = 256 << 20,
    patience: float = 60.0,
) -> Iterator[Wheel]:
    """Open a wheel at an address, of which only the pieces that are read are fetched.

    Its list of files and metadata take one to three requests; what was fetched is in `Wheel.traffic`. From a server
    that does not give pieces the whole file is downloaded into a temporary one.

    Args:
        client: As `bivy.source.download.open_client` makes it.
        address: An ``http:``, ``https:`` or ``file:`` address.
        bounds: How much is read of it at most, unpacked.
        limit: How many bytes are downloaded where the server does not give pieces.
        patience: How many seconds one request may take.

    Raises:
        BivyError: It cannot be fetched, or is no zip archive.
    """
    if address.startswith("file:"):
        with open_wheel(Path(unquote(urlsplit(address).path)), bounds=bounds) as wheel:
            yield wheel
        return
    with contextlib.ExitStack() as stack:
        with explained(address):
            file = stack.enter_context(remote_file(client, address, limit=limit, patience=patience))
            wheel = read_wheel(
                cast("IO[bytes]", file),
                file_name(address),
                shown(address),
                bounds=bounds,
                local=not isinstance(file, RemoteFile),
                traffic=file.traffic,
            )
        yield wheel


def file_name(address: str) -> str:
    """Return the file name at the end of an address."""
    return unquote(urlsplit(address).path.rpartition("/")[2])


def shown(address: str) -> str:
    """Return an address as it may be shown: without a password, and without what follows the path."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextlib.contextmanager
def explained(address: str) -> Iterator[None]:
    """Turn the fault of an address into one for a person."""
    try:
        yield
    except UnavailableError as fault:
        raise BivyError(
            f"{shown(address)} cannot be read: {fault}",
            hint="check the address, or whether the index still has the file" if fault.lasting else "try again later",
        ) from fault


class RemoteFile:
    """A file at an address, read forward and backward, of which each block is fetched when it is first read.

    Blocks that were read last are kept. It is not for several threads at once.

    Attributes:
        size: Its size in bytes.
        traffic: What was fetched so far.
    """

    def __init__(self, client: httpx.Client, address: str, first: _Piece, traffic: Traffic, patience: float) -> None:
        self.size = first.total
        self.traffic = traffic
        self._ask = functools.partial(_persistently, client, address, traffic, patience)
        self._state = first.state
        self._position = 0
        self._expected = 0
        self._lost: UnavailableError | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        at_end = first.start + len(first.content) == first.total
        self._tail_start, self._tail = (first.start, first.content) if at_end else (first.total, b"")

    def seekable(self) -> bool:
        """Tell that it can be read at any place."""
        return True

    def tell(self) -> int:
        """Return the place at which it is read next."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, counted from the start (0), from here (1) or from the end (2)."""
        position = offset + (0, self._position, self.size)[whence]
        if position < 0:
            raise OSError(22, "Invalid argument")  # as a file on disk answers
        self._position = position
        return position

    def expect(self, stop: int) -> None:
        """Take note that what follows will be read up to `stop`, so that fewer requests can fetch more each."""
        self._expected = stop

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fewer only at the end.

        Raises:
            UnavailableError: They cannot be fetched, or the file is another one by now.
        """
        start = min(self._position, self.size)
        stop = self.size if size < 0 else min(start + size, self.size)
        parts = []
        place = start
        while place < min(stop, self._tail_start):
            number = place // _BLOCK
            block = self._block(number, stop)
            end = min(stop, number * _BLOCK + len(block))
            parts.append(block[place - number * _BLOCK : end - number * _BLOCK])
            place = end
        if stop > place:
            parts.append(self._tail[place - self._tail_start : stop - self._tail_start])
        self._position = max(self._position, stop) if size else self._position
        return b"".join(parts)

    def _block(self, number: int, stop: int) -> bytes:
        if number not in self._blocks:
            self._fetch_blocks(number, max(stop, self._expected))
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch_blocks(self, number: int, stop: int) -> None:
        """Fetch a block, and in the same request those after it that will be read and are not there."""
        last = number + 1
        while last * _BLOCK < stop and last - number < _BLOCKS_AT_ONCE and last not in self._blocks:
            last += 1
        start, stop = number * _BLOCK, min(last * _BLOCK, self._tail_start)
        content = self._fetch(start, stop)
        for offset in range(0, stop - start, _BLOCK):
            self._blocks[number + offset // _BLOCK] = content[offset : offset + _BLOCK]
        while len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)

    def _fetch(self, start: int, stop: int) -> bytes:
        if self._lost:  # once is enough: else every member of the archive waits for the same server
            raise self._lost
        try:
            return self._same(self._ask(f"bytes={start}-{stop - 1}"), start, stop)
        except _WholeError:
            self._lost = UnavailableError("the server gave pieces of the file and does no longer", lasting=False)
            raise self._lost from None
        except UnavailableError as fault:
            self._lost = fault
            raise

    def _same(self, piece: _Piece, start: int, stop: int) -> bytes:
        if piece.total != self.size or piece.state != self._state:
            raise UnavailableError("the file at this address was changed while it was read", lasting=False)
        if piece.start != start or len(piece.content) != stop - start:
            raise UnavailableError("the server gives other bytes than it is asked for", lasting=True)
        return piece.content


@contextlib.contextmanager
def remote_file(
    client: httpx.Client, address: str, *, limit: int = 256 << 20, patience: float = 60.0
) -> Iterator[RemoteFile | _Downloaded]:
    """Open a file at an address for reading at any place.

    Args:
        client: As `bivy.source.download.open_client` makes it.
        address: An ``http:`` or ``https:`` address.
        limit: How many bytes are downloaded where the server does not give pieces.
        patience: How many seconds one request may take.

    Raises:
        UnavailableError: It cannot be fetched.
    """
    traffic = Traffic()
    try:
        first = _first_piece(client, address, traffic, patience)
    except _WholeError:
        with tempfile.TemporaryFile() as file:
            for chunk in chunks_of(client, address, limit=limit, patience=patience, traffic=traffic):
                file.write(chunk)
            file.seek(0)
            yield _Downloaded(file, traffic)
        return
    yield RemoteFile(client, address, first, traffic, patience)


class _Downloaded:
    """A file that was downloaded whole, and what that took."""

    def __init__(self, file: IO[bytes], traffic: Traffic) -> None:
        self.traffic = traffic
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable


def chunks_of(
    client: httpx.Client, address: str, *, limit: int, patience: float, traffic: Traffic
) -> Generator[bytes, None, None]:
    """Yield the bytes of a file from its start; where the connection breaks, it is taken up again.

    Raises:
        UnavailableError: They cannot be fetched, there are more than `limit`, or they take longer than `patience`.
    """
    deadline = time.monotonic() + patience
    position = 0
    attempts = _ATTEMPTS
    while attempts:
        attempts -= 1
        try:
            traffic.requests += 1
            with opened(client, address, position) as body:
                if body.total is not None and body.total > limit:
                    raise _too_large(body.total, limit)
                skip = position - body.start
                for chunk in body.chunks:
                    traffic.bytes += len(chunk)
                    new = chunk[skip:]
                    skip = max(0, skip - len(chunk))
                    position += len(new)
                    if position > limit:
                        raise _too_large(position, limit)
                    if time.monotonic() > deadline:
                        raise _too_slow(position, patience)
                    yield new
            attempts = 0
        except UnavailableError as fault:
            if fault.lasting or not attempts:
                raise
            time.sleep(_PAUSE)


def _too_large(size: int, limit: int) -> UnavailableError:
    return UnavailableError(
        f"the file has {size} bytes or more, the server gives no pieces of it, and whole files are downloaded up to "
        f"{limit} bytes",
        lasting=True,
    )


def _too_slow(size: int, patience: float) -> UnavailableError:
    return UnavailableError(f"the server is too slow: {size} bytes in {patience:g} seconds", lasting=True)


def _first_piece(client: httpx.Client, address: str, traffic: Traffic, patience: float) -> _Piece:
    """Return the end of a file, or some other piece where the server does not know how to give the end.

    Raises:
        UnavailableError: It cannot be fetched.
        _WholeError: The server does not give pieces.
    """
    try:
        return _persistently(client, address, traffic, patience, f"bytes=-{_TAIL}")
    except (_NoSuffixError, _WholeError):
        return _persistently(client, address, traffic, patience, f"bytes=0-{_TAIL - 1}")


class _NoSuffixError(UnavailableError):
    """A server that refuses the form of range that asks for the last bytes."""


def _persistently(client: httpx.Client, address: str, traffic: Traffic, patience: float, wanted: str) -> _Piece:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE * attempt)
        try:
            return _piece(client, address, wanted, traffic, patience)
        except UnavailableError as fault:
            if fault.lasting or attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError


def _piece(client: httpx.Client, address: str, wanted: str, traffic: Traffic, patience: float) -> _Piece:
    """Ask once for a piece of a file."""
    import httpx

    traffic.requests += 1
    try:
        with client.stream("GET", address, headers={"Range": wanted}) as response:
            if response.status_code == 200:
                raise _WholeError
            if response.status_code in _NO_SUFFIX and wanted.startswith("bytes=-"):
                raise _NoSuffixError(str(refused(response)), lasting=True)
            if response.status_code == 416:
                raise UnavailableError("the file is empty, or not as long as it was", lasting=True)
            if response.status_code != 206:
                raise refused(response)
            start, stop, total = _place(response)
            content = _content(response, stop - start, traffic, patience)
            state = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
            return _Piece(start, total, state, content)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as fault:
        raise unavailable(fault) from fault


def _place(response: httpx.Response) -> tuple[int, int, int]:
    """Return where a piece starts and stops, and the size of the file, as the server says."""
    told = response.headers.get("Content-Range", "")
    place = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", told)
    if not place or response.headers.get("Content-Encoding", "identity") != "identity":
        raise UnavailableError("the server gives a piece of the file and does not say which", lasting=True)
    start, stop, total = int(place[1]), int(place[2]) + 1, int(place[3])
    if not start < stop <= total:
        raise UnavailableError(f"the server gives a piece that cannot be: {told}", lasting=True)
    if stop - start > _BLOCK * _BLOCKS_AT_ONCE:
        raise UnavailableError("the server gives a larger piece of the file than it is asked for", lasting=True)
    return start, stop, total


def _content(response: httpx.Response, size: int, traffic: Traffic, patience: float) -> bytes:
    deadline = time.monotonic() + patience
    content = bytearray()
    for chunk in response.iter_raw():
        traffic.bytes += len(chunk)
        content += chunk
        if len(content) > size:
            raise UnavailableError("the server gives more bytes than it announces", lasting=True)
        if time.monotonic() > deadline:
            raise _too_slow(len(content), patience)
    if len(content) < size:
        raise UnavailableError(f"the connection broke off after {len(content)} of {size} bytes", lasting=False)
    return bytes(content)
