"""A repository on http, for trying it out: files are read, and nothing else is done."""

from __future__ import annotations

import email.utils
import os
import re
import socket
import stat
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from bivy import __version__
from bivy.errors import BivyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SECONDS = 60
_CHUNK = 1 << 16


def open_server(
    folder: Path, host: str, port: int, *, said: Callable[[str], None] = lambda _: None
) -> ThreadingHTTPServer:
    """Open a server for the files of a folder; ``serve_forever`` answers, ``server_close`` ends it.

    It answers GET and HEAD, whole or a range (RFC 9110, section 14), for files in the folder whose names do not begin
    with a dot; never for what lies outside, wherever a link leads, and never with a list.

    Args:
        folder: What to serve.
        host: The address to listen on.
        port: The port; 0 takes a free one, which ``server_address`` has.
        said: Who is told of each request, in one line.

    Raises:
        UsageError: It is no folder, or no address of this machine's.
        BivyError: The port is taken, or not for us.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="bivy repo build makes a repository")
    root = os.path.realpath(folder)

    class Handler(_Handler):
        def __init__(self, *words: Any) -> None:  # noqa: ANN401 - socketserver's signature
            self.root, self.said = root, said
            super().__init__(*words)

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a client that went away."""

    try:
        return Server((host, port), Handler)
    except socket.gaierror:
        raise UsageError(f"{host!r} is not an address", hint="such as 127.0.0.1, ::1 or 0.0.0.0") from None
    except (OSError, OverflowError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise BivyError(
            f"cannot listen on {host}, port {port}: {reason}", hint="take another with --port; 0 takes a free one"
        ) from None


def address_of(server: ThreadingHTTPServer) -> str:
    """Return the URL that a server is reached by on this machine."""
    host, port = server.server_address[:2]
    name = str(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    root: str
    said: Callable[[str], None]
    protocol_version = "HTTP/1.1"
    server_version = f"bivy/{__version__}"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Answer with what a file is."""
        self._answer(with_content=False)

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - http.server's name
        """Tell who is to be told."""
        # A client may send what would change a terminal.
        self.said("".join(c if c.isprintable() else "?" for c in f"{self.client_address[0]} {format % words}"))

    def _answer(self, *, with_content: bool) -> None:
        found = self._open()
        if found is None:
            self._end(HTTPStatus.NOT_FOUND)
            return
        file, status = found
        with file:
            if self._is_known(status.st_mtime):
                self._end(HTTPStatus.NOT_MODIFIED)
                return
            span = parse_range(self.headers.get("Range", ""), status.st_size)
            if span is None:
                self._end(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{status.st_size}"})
                return
            start, end = span
            part = end - start < status.st_size
            self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(end - start))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Last-Modified", email.utils.formatdate(status.st_mtime, usegmt=True))
            if part:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{status.st_size}")
            self.end_headers()
            if with_content:
                self._send(file, start, end)

    def _open(self) -> tuple[IO[bytes], os.stat_result] | None:
        """Open the file that is asked for, or nothing where there is none to be seen."""
        path = unquote(urlsplit(self.path).path, errors="surrogateescape")
        parts = [part for part in path.split("/") if part]
        if "\0" in path or any(part.startswith(".") for part in parts):
            return None
        place = os.path.realpath(os.path.join(self.root, *parts))  # noqa: PTH118 - bytes of any kind
        if os.path.commonpath([place, self.root]) != self.root:
            return None
        try:
            # Not waiting for whoever might write to a named pipe.
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except (OSError, ValueError):
            return None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            return None
        return os.fdopen(descriptor, "rb"), status

    def _is_known(self, mtime: float) -> bool:
        """Tell whether the client has the file as it is (RFC 9110, section 13.1.3)."""
        try:
            return int(mtime) <= email.utils.parsedate_to_datetime(self.headers["If-Modified-Since"]).timestamp()
        except (TypeError, ValueError):
            return False

    def _end(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, file: IO[bytes], start: int, end: int) -> None:
        file.seek(start)
        left = end - start
        try:
            while left and (chunk := file.read(min(_CHUNK, left))):
                self.wfile.write(chunk)
                left -= len(chunk)
        except OSError:
            self.close_connection = True
        # A file that became shorter meanwhile: what was announced will not come.
        self.close_connection |= left > 0


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Read the header ``Range`` of a request for a file of `size` bytes.

    Returns:
        Where the answer begins, and where it ends: the whole file where nothing, or something that is not one range of
        bytes, is asked for (RFC 9110, section 14.2); ``None`` where there is no such part.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        return 0, size
    if not match[1]:
        length = min(int(match[2][:20]), size)
        return (size - length, size) if length else None
    start = int(match[1][:20])
    end = min(int(match[2][:20]) + 1, size) if match[2] else size
    if match[2] and int(match[2][:20]) < start:
        return 0, size
    return (start, end) if start < size else None
