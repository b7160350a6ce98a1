"""A server on the loopback interface that can be told to misbehave, and a proxy in front of it."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True)
class Answer:
    """How one request is answered.

    Attributes:
        status: The status, when it is a refusal.
        location: Where a redirection leads.
        bytes_sent: After how many bytes the connection is closed.
        hold: What is called when these have been sent, before the connection is closed or goes on.
        ranges: Whether a Range is honoured.
        chunked: Whether the content comes in chunks.
        raw: What is sent instead of all this, after which the connection is closed.
        headers: What is sent in the head besides, or instead of what would be.
        suffix: Whether a Range that asks for the last bytes is understood.
    """

    status: int = 200
    location: str = ""
    bytes_sent: int | None = None
    hold: Callable[[], object] | None = None
    ranges: bool = True
    chunked: bool = False
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    suffix: bool = True


@dataclass
class Loopback:
    """Files by path, or by whole address where it is asked as a proxy, and answers that come before them."""

    port: int
    scheme: str = "http"
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    cache_controls: list[str] = field(default_factory=list)
    tunnel_to: int = 0

    def url(self, path: str = "", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


@contextlib.contextmanager
def serve(context: ssl.SSLContext | None = None, protocol: str = "HTTP/1.0") -> Iterator[Loopback]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = protocol

        def setup(self) -> None:
            site.connections += 1
            super().setup()

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            site.requests.append((self.path, wanted))
            site.cache_controls.append(self.headers.get("Cache-Control", ""))
            site.headers.append({name.lower(): value for name, value in self.headers.items()})
            answers = site.answers[self.path]
            answer = answers.pop(0) if answers else Answer()
            content = site.files.get(self.path)
            if answer.raw is not None:
                self.wfile.write(answer.raw)
                self.wfile.flush()
                if answer.hold:
                    answer.hold()
                self.close_connection = True
                return
            if answer.status != 200 or content is None:
                self.send_response(answer.status if answer.status != 200 else 404)
                self.send_header("Location", answer.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if answer.chunked:
                self._send_chunks(content)
                return
            squeezed = "gzip" in self.headers.get("Accept-Encoding", "")
            if squeezed:
                content = gzip.compress(content)
            start, stop = 0, len(content)
            match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
            fields = {}
            if match and not match[1] and not answer.suffix:
                self.send_response(416)
                stop = 0
            elif match and answer.ranges:
                if match[1]:
                    start, stop = int(match[1]), min(stop, int(match[2] or stop) + 1)
                else:
                    start = max(0, stop - int(match[2]))
                self.send_response(206 if start < stop else 416)
                fields["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            else:
                self.send_response(200)
            if squeezed:
                fields["Content-Encoding"] = "gzip"
            fields["Content-Length"] = str(max(0, stop - start))
            for name, value in {**fields, **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            wanted_content = content[start:stop]
            first = wanted_content if answer.bytes_sent is None else wanted_content[: answer.bytes_sent]
            self.wfile.write(first)
            if answer.hold:
                self.wfile.flush()
                answer.hold()
                self.wfile.write(wanted_content[len(first) :])
            self.close_connection = answer.bytes_sent is not None

        def _send_chunks(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(content), 1000):
                piece = content[start : start + 1000]
                self.wfile.write(b"%x;extension\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")

        def do_CONNECT(self) -> None:
            site.requests.append((self.path, ""))
            with socket.create_connection(("127.0.0.1", site.tunnel_to)) as far:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pipe, args=(far, self.connection), daemon=True)
                back.start()
                _pipe(self.connection, far)
                back.join()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """Say nothing: clients that go away are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site = Loopback(server.server_address[1], "https" if context else "http")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
