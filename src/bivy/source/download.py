"""The bytes at one address, from where an earlier download stopped; and why they cannot be had."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bivy import __version__
from bivy.errors import BivyError
from bivy.source.trust import trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

_CHUNK = 1 << 18
_TRANSIENT_STATUS = {408, 425, 429}


class UnavailableError(Exception):
    """An address did not give its bytes, or not all of them.

    Attributes:
        lasting: Whether asking again is of no use.
    """

    def __init__(self, why: str, *, lasting: bool) -> None:
        super().__init__(why)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Body:
    """What an address answers.

    Attributes:
        start: How many of the file's bytes come before these.
        total: The size of the whole file, or ``None`` where the other side does not say.
        chunks: The bytes; taking them may raise `UnavailableError`.
    """

    start: int
    total: int | None
    chunks: Iterator[bytes]


def open_client(*, connect: float, read: float) -> httpx.Client:
    """Return a client that honours the proxies and authorities that the environment names, as other tools do.

    Args:
        connect: Seconds to wait for a connection.
        read: Seconds to wait for the next bytes.

    Raises:
        BivyError: A proxy or an authority in the environment is not one.
    """
    import httpx

    context = trust()
    try:
        return httpx.Client(
            verify=context,
            follow_redirects=True,
            timeout=httpx.Timeout(read, connect=connect, pool=None),
            headers={"User-Agent": f"bivy/{__version__}", "Accept-Encoding": "identity"},
        )
    except (ImportError, ValueError, httpx.InvalidURL) as fault:
        raise BivyError(
            f"the proxy in the environment cannot be used: {fault}",
            hint="HTTPS_PROXY, HTTP_PROXY and ALL_PROXY take an address such as http://proxy.example:3128",
        ) from fault


@contextlib.contextmanager
def opened(client: httpx.Client, address: str, offset: int) -> Iterator[Body]:
    """Ask an address for its bytes from `offset` on; it may answer with all of them (see `Body.start`).

    Raises:
        UnavailableError: It did not give them; also while the block takes the chunks.
    """
    with (
        _opened_file(address, offset) if address.startswith("file:") else _opened_http(client, address, offset) as body
    ):
        yield body


@contextlib.contextmanager
def _opened_file(address: str, offset: int) -> Iterator[Body]:
    path = Path(unquote(urlsplit(address).path))
    try:
        file = path.open("rb")
        total = path.stat().st_size
    except OSError as fault:
        raise UnavailableError(str(fault.strerror), lasting=True) from fault

    def chunks() -> Iterator[bytes]:
        try:
            while chunk := file.read(_CHUNK):
                yield chunk
        except OSError as fault:
            raise UnavailableError(str(fault.strerror), lasting=True) from fault

    with file:
        start = file.seek(offset if offset <= total else 0)
        yield Body(start, total, chunks())


@contextlib.contextmanager
def _opened_http(client: httpx.Client, address: str, offset: int) -> Iterator[Body]:
    import httpx

    headers = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        with client.stream("GET", address, headers=headers) as response:
            body = body_of(response, offset)
            if body:
                yield body
                return
        with client.stream("GET", address) as response:
            body = body_of(response, 0)
            if not body:
                raise UnavailableError("gives only a part of the file", lasting=True)
            yield body
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as fault:  # the last: a host that cannot be one
        raise unavailable(fault) from fault


def body_of(response: httpx.Response, offset: int) -> Body | None:
    """Return what an answer holds, or ``None`` for another part of the file than was asked for."""
    status = response.status_code
    if status == 200:
        size = response.headers.get("Content-Length", "")
        return Body(0, int(size) if size.isdecimal() else None, response.iter_raw())
    if status == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not place or int(place[1]) != offset:
            return None
        return Body(offset, None if place[2] == "*" else int(place[2]), response.iter_raw())
    if status == 416 and offset:  # nothing comes after what is there: the digest will tell whether that is all
        return Body(offset, offset, iter(()))
    raise refused(response)


def refused(response: httpx.Response) -> UnavailableError:
    """Return, as the fault of an address, an answer that is a refusal."""
    status = response.status_code
    return UnavailableError(
        f"{status} {response.reason_phrase}".rstrip(),
        lasting=status < 500 and status not in _TRANSIENT_STATUS,
    )


def unavailable(fault: Exception) -> UnavailableError:
    """Return, as the fault of an address, what httpx raised for it."""
    import httpx

    causes = list(_causes(fault))
    lasting = (
        isinstance(fault, httpx.UnsupportedProtocol | httpx.TooManyRedirects | httpx.InvalidURL | UnicodeError)
        or (isinstance(fault, httpx.ProxyError) and str(fault).startswith("4"))
        or any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
        or any(isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in causes)
    )
    kind = "the proxy refused: " if isinstance(fault, httpx.ProxyError) else ""
    return UnavailableError(kind + (str(fault) or type(fault).__name__), lasting=lasting)


def part_size(part: Path) -> int:
    """Return how many bytes of a file an earlier download left, in bytes."""
    return part.stat().st_size if part.exists() else 0


def not_writable(fault: OSError, folder: Path, what: str) -> BivyError:
    """Return, for a person, why what is fetched cannot be kept.

    Args:
        fault: What the system says.
        folder: Where it was to be kept, in bivy's cache.
        what: What is fetched.
    """
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return BivyError(
            f"no space left in {folder} while fetching {what}",
            hint="make room, or name another folder in BIVY_CACHE; what was downloaded is kept and goes on from there",
        )
    return BivyError(
        f"cannot keep {what} in {folder}: {fault.strerror or fault}",
        hint="BIVY_CACHE names another folder for the cache",
    )


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    while fault:
        yield fault
        fault = fault.__cause__ or fault.__context__
