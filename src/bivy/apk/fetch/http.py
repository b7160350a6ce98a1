"""GET over HTTP/1.1 (RFC 9112) on connections that stay open, with a bound on how long and how much.

Python's own ``http.client`` takes 20 ms to import, mostly for e-mail's headers: a fifth of what a whole ``apk add`` may
take. What a repository is asked needs little of it.
"""

from __future__ import annotations

import re
import time

from bivy.apk.errors import ApkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    Progress: TypeAlias = Callable[[int, int | None], None]

_CHUNK = 1 << 17
_LONGEST_HEAD = 1 << 16
_LONGEST_LINE = 1 << 12
_MOST_LINES = 100
_NO_HTTP = "does not answer as HTTP has it"
# What has to arrive while one waits: a connection that trickles is as good as one that stalls.
_LEAST = 4096
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: ([^\r\n]*))?")
_URL = re.compile(
    r"(https?)://(?:([^/?#@]*)@)?(\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]]+)(?::(\d{1,5}))?([/?][^#]*)?(?:#.*)?", re.IGNORECASE
)
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_UNSAFE = re.compile(rb"[^!-~]")


class UnavailableError(ApkError):
    """An address did not give its bytes, or not all of them.

    Attributes:
        why: What happened, without the address.
        passing: Whether asking again soon may help.
        missing: Whether the other side answers well, but does not have this file.
    """

    def __init__(self, why: str, *, passing: bool = False, missing: bool = False, hint: str | None = None) -> None:
        super().__init__(why, hint=hint)
        self.why = why
        self.passing = passing
        self.missing = missing


class Url:
    """An ``http:`` or ``https:`` URL in its parts.

    Attributes:
        scheme: ``http`` or ``https``.
        user: What comes before ``@``, as it is there; empty where there is none.
        host: The host, in ASCII, without the brackets of an IPv6 address.
        port: The port.
        target: The path and query, escaped where they need it.
    """

    __slots__ = ("host", "port", "scheme", "target", "user")

    def __init__(self, text: str) -> None:
        match = _URL.fullmatch(text)
        if not match or not text.isprintable() or int(match[4] or 1) not in range(1, 65536):
            raise UnavailableError("is no URL that can be asked")
        scheme, self.user, host, port, target = match.groups("")
        self.scheme = scheme.lower()
        try:
            self.host = host.strip("[]") if host.isascii() else host.encode("idna").decode()
        except UnicodeError:
            self.host = ""
        if not _HOST.fullmatch(self.host):
            raise UnavailableError("is no URL: the host cannot be one")
        self.port = int(port or (443 if self.scheme == "https" else 80))
        self.target = _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], target.encode()).decode()
        if not self.target.startswith("/"):
            self.target = "/" + self.target

    @property
    def authority(self) -> str:
        """The host and, where it is not the scheme's own, the port, as a request names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        """The whole URL without user and password, as a proxy is asked for it."""
        return f"{self.scheme}://{self.authority}{self.target}"


def basic_credentials(user: str) -> str:
    """Return the value of an ``Authorization`` header for the part of a URL before ``@`` (RFC 7617)."""
    import binascii
    from urllib.parse import unquote_to_bytes

    return "Basic " + binascii.b2a_base64(unquote_to_bytes(user), newline=False).decode()


class Connection:
    """One connection, from which answers are read with a bound on the time in which nothing useful comes.

    Attributes:
        socket: Its socket, TLS or not.
    """

    __slots__ = ("_arrived", "_buffer", "_patience", "_position", "_until", "socket")

    def __init__(self, connected: socket.socket, patience: float) -> None:
        self.socket = connected
        self._patience = patience
        # What has arrived and from where on it was not taken yet.
        self._buffer = b""
        self._position = 0
        self._arrived = 0
        self._until = 0.0

    def send(self, lines: list[str]) -> None:
        """Send a request's head.

        Raises:
            OSError: The connection is gone, or does not take it in time.
        """
        self.socket.settimeout(self._patience)
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _wait(self) -> None:
        self._arrived, self._until = 0, time.monotonic() + self._patience

    def _receive(self) -> bytes:
        """Return the next bytes that arrive, none at the connection's end."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)
        data = self.socket.recv(_CHUNK)
        self._arrived += len(data)
        if self._arrived >= _LEAST:
            self._wait()
        return data

    def _take(self, most: int) -> bytes:
        """Return the next bytes, at most so many, none at the connection's end."""
        if self._position == len(self._buffer):
            self._buffer, self._position = self._receive(), 0
        start = self._position
        if start == 0 and len(self._buffer) <= most:
            self._position = len(self._buffer)
            return self._buffer
        data = self._buffer[start : start + most]
        self._position += len(data)
        return data

    def _take_until(self, mark: bytes, longest: int) -> bytes:
        """Return what comes before `mark`, and take that away too; nothing where the connection ends at once."""
        while (end := self._buffer.find(mark, self._position)) < 0:
            if len(self._buffer) - self._position > longest:
                raise UnavailableError(_NO_HTTP)
            data = self._receive()
            if not data and self._position < len(self._buffer):
                raise UnavailableError("the connection broke off in the middle of the answer", passing=True)
            if not data:
                return b""
            self._buffer, self._position = self._buffer[self._position :] + data, 0
        found = self._buffer[self._position : end]
        self._position = end + len(mark)
        return found

    def read_head(self) -> Answer | None:
        """Read an answer up to its body; ``None`` where the connection was closed before anything came.

        Raises:
            UnavailableError: It is not HTTP/1, or did not come in time.
            OSError: The connection broke.
        """
        self._wait()
        try:
            for _ in range(_MOST_LINES):
                head = self._take_until(b"\r\n\r\n", _LONGEST_HEAD)
                if not head:
                    return None
                answer = _parse_head(head)
                if answer.status >= 200:
                    return answer
        except TimeoutError:
            raise UnavailableError(f"no answer for {self._patience:g} seconds") from None
        raise UnavailableError(_NO_HTTP)

    def read_body(self, answer: Answer, bound: int, progress: Progress | None = None) -> bytes:
        """Read an answer's body.

        Args:
            answer: Its head.
            bound: The most bytes to take.
            progress: Is told how many bytes there are, and how many there will be where that is known.

        Raises:
            UnavailableError: It is cut off, or larger, or comes too slowly.
            OSError: The connection broke.
        """
        if answer.length is not None and answer.length > bound:
            raise UnavailableError(f"has {answer.length} bytes, more than the {bound} that are taken")
        self._wait()
        pieces: list[bytes] = []
        try:
            if answer.chunked:
                self._read_chunked(pieces, bound, progress)
            else:
                self._read_plain(pieces, answer.length, bound, progress)
        except TimeoutError:
            came = sum(map(len, pieces))
            raise UnavailableError(f"stalls after {came} bytes, for {self._patience:g} seconds") from None
        return b"".join(pieces)

    def _read_plain(self, pieces: list[bytes], length: int | None, bound: int, progress: Progress | None) -> None:
        size = 0
        while length is None or size < length:
            data = self._take(_CHUNK if length is None else length - size)
            if not data:
                break
            pieces.append(data)
            size += len(data)
            if size > bound:
                raise UnavailableError(f"has more than the {bound} bytes that are taken")
            if progress:
                progress(size, length)
        if length is not None and size < length:
            raise UnavailableError(f"broke off after {size} of {length} bytes", passing=True)

    def _read_chunked(self, pieces: list[bytes], bound: int, progress: Progress | None) -> None:
        """Read a body in chunks (RFC 9112, section 7.1)."""
        size = 0
        while True:
            line = self._take_until(b"\r\n", _LONGEST_LINE).partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,12}", line):
                raise UnavailableError(f"broke off after {size} bytes", passing=True)
            length = int(line, 16)
            if not length:
                break
            size += length
            if size > bound:
                raise UnavailableError(f"has more than the {bound} bytes that are taken")
            self._read_plain(pieces, length, bound, None)
            if self._take_until(b"\r\n", 2):
                raise UnavailableError(_NO_HTTP)
            if progress:
                progress(size, None)
        for _ in range(_MOST_LINES):
            if not self._take_until(b"\r\n", _LONGEST_LINE):
                return
        raise UnavailableError(_NO_HTTP)


class Answer:
    """The head of an answer.

    Attributes:
        status: Its status.
        reason: The words after that, as far as they can be shown.
        headers: Its headers, by their names in small letters.
        length: Bytes of the body, ``None`` where it does not say.
        chunked: Whether the body comes in chunks.
        kept: Whether the connection stays open after it.
    """

    __slots__ = ("chunked", "headers", "kept", "length", "reason", "status")

    def __init__(self, status: int, reason: str, headers: Mapping[str, str], *, newer: bool) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length")
        if length is not None and not re.fullmatch(r"[0-9]{1,18}", length):
            raise UnavailableError(f"{_NO_HTTP}: a length of {length[:40]!r}")
        self.length = None if length is None or self.chunked else int(length)
        wanted = headers.get("connection", "").lower()
        self.kept = ((newer and wanted != "close") or wanted == "keep-alive") and (
            self.chunked or self.length is not None or status in (204, 304)
        )


def _parse_head(head: bytes) -> Answer:
    first, *lines = head.split(b"\r\n")
    match = _STATUS.fullmatch(first)
    if not match:
        raise UnavailableError(_NO_HTTP)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        key, text = name.strip().lower(), value.strip()
        if not colon or (key == "content-length" and headers.get(key, text) != text):
            raise UnavailableError(_NO_HTTP)
        headers[key] = text
    reason = "".join(letter for letter in (match[3] or b"").decode("latin-1") if letter.isprintable())
    return Answer(int(match[2]), reason[:60].strip(), headers, newer=match[1] == b"1")
