"""A registry in memory that can be told to misbehave, for what a real one cannot be made to do."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from bivy.oci.registry.name import Name

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong.

    Attributes:
        method: Which method it has.
        path: A pattern of its path.
        status: What is answered; 0 for nothing, the connection is closed.
        headers: What is sent in the head.
        body: What is answered.
        after: How many bytes of the body are taken, and kept, first; with a status of 0 and no body asked for, how many
            of the answer are given.
    """

    method: str
    path: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: int = 0


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    size: int


@dataclass
class StandIn:
    """What it holds, and what it was asked."""

    port: int
    scheme: str = "http"
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    keeps_referrers: bool = True
    resumes: bool = True
    least: int = 0
    authorise: Callable[[Request], tuple[int, Mapping[str, str]] | None] = lambda _: None
    elsewhere: str = ""
    extra: dict[str, Callable[[Request, bytes], tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def name(self, repository: str = "me/app", tag: str = "1") -> Name:
        return Name(f"127.0.0.1:{self.port}", repository, tag)

    def methods(self, pattern: str = "") -> list[str]:
        return [request.method for request in self.requests if re.search(pattern, request.path)]

    def fault(self, request: Request) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.method == request.method and re.search(fault.path, request.path):
                    self.faults.remove(fault)
                    return fault
        return None


@contextlib.contextmanager
def stand_in(context: ssl.SSLContext | None = None) -> Iterator[StandIn]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with contextlib.suppress(ConnectionError, OSError):
                super().handle_one_request()

        def parse_request(self) -> bool:
            parsed = super().parse_request()
            if parsed:
                setattr(self, f"do_{self.command}", self.serve)
            return parsed

        def serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, size)
            site.requests.append(request)
            fault = site.fault(request)
            if fault and (self.command in ("PUT", "PATCH", "POST") or fault.status):
                got = self.rfile.read(min(size, fault.after))
                upload = site.uploads.get(self.path.partition("?")[0].rsplit("/", 1)[-1])
                if upload is not None:
                    upload += got
                self.close_connection = True
                if fault.status:
                    self.answer(fault.status, {**fault.headers, "Connection": "close"}, fault.body)
                return
            body = self.rfile.read(size)
            path = self.path.partition("?")[0]
            refused = site.authorise(request)
            if path in site.extra:
                self.answer(*site.extra[path](request, body))
            elif refused:
                self.answer(*refused, b"")
            else:
                self.answer(*self.respond(body), cut=fault.after if fault else None)

        def answer(self, status: int, headers: Mapping[str, str], body: bytes, cut: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers and status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[:cut])
            self.wfile.flush()
            if cut is not None:
                self.close_connection = True

        def respond(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            if self.path == "/v2/":
                return 200, {}, b"{}"
            found = re.fullmatch(
                r"/v2/(.+)/(blobs/uploads|blobs|manifests|referrers|tags)/([^?]*)(?:\?(.*))?", self.path
            )
            if not found:
                return 404, {}, b"404 page not found"
            repository, kind, rest, query = found.groups()
            if kind == "blobs/uploads":
                return self.upload(repository, rest, query or "", body)
            if kind == "blobs":
                return self.blob(repository, rest)
            if kind == "tags":
                tags = sorted(name for where, name in site.manifests if where == repository and ":" not in name)
                return 200, {}, json.dumps({"name": repository, "tags": tags}).encode()
            if kind == "referrers":
                return self.referrers(repository, rest)
            return self.manifest(repository, rest, body)

        def upload(self, repository: str, key: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
            asked = dict(parse_qsl(query))
            if self.command == "POST":
                known = (asked.get("from", ""), asked.get("mount", ""))
                if known in site.blobs:
                    site.blobs[repository, known[1]] = site.blobs[known]
                    return 201, {"Location": f"/v2/{repository}/blobs/{known[1]}"}, b""
                with site.lock:
                    key = f"upload{next(site.numbers)}"
                    site.uploads[key] = bytearray()
                least = {"OCI-Chunk-Min-Length": str(site.least)} if site.least else {}
                return 202, {"Location": self.location(repository, key), **least}, b""
            if key not in site.uploads:
                return 404, {}, error("BLOB_UPLOAD_UNKNOWN")
            content = site.uploads[key]
            where = {"Location": self.location(repository, key)}
            if self.command == "GET":
                if not site.resumes:
                    del site.uploads[key]
                    return 404, {}, error("BLOB_UPLOAD_UNKNOWN")
                return 204, {**where, "Range": f"0-{max(len(content) - 1, 0)}"}, b""
            start = self.headers.get("Content-Range", "").partition("-")[0]
            if start and int(start) != len(content):
                return 416, {**where, "Range": f"0-{max(len(content) - 1, 0)}"}, error("RANGE_INVALID")
            content += body
            if self.command == "PATCH":
                return 202, {**where, "Range": f"0-{max(len(content) - 1, 0)}"}, b""
            del site.uploads[key]
            if digest(content) != asked.get("digest"):
                return 400, {}, error("DIGEST_INVALID")
            site.blobs[repository, asked["digest"]] = bytes(content)
            return 201, {"Docker-Content-Digest": asked["digest"]}, b""

        def location(self, repository: str, key: str) -> str:
            return f"{site.elsewhere}/v2/{repository}/blobs/uploads/{key}?state=a%3D%3D"

        def blob(self, repository: str, name: str) -> tuple[int, dict[str, str], bytes]:
            content = site.blobs.get((repository, name))
            if content is None:
                return 404, {}, error("BLOB_UNKNOWN")
            start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if start:
                first = int(start[1])
                place = f"bytes {first}-{len(content) - 1}/{len(content)}"
                return 206, {"Content-Range": place}, content[first:]
            return 200, {"Docker-Content-Digest": name}, content

        def manifest(self, repository: str, reference: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
            if self.command == "PUT":
                kind = self.headers.get("Content-Type", "")
                for name in (reference, digest(body)):
                    site.manifests[repository, name] = (kind, body)
                document = json.loads(body)
                missing = [
                    each["digest"]
                    for each in [*document.get("layers", []), *([document["config"]] if "config" in document else [])]
                    if (repository, each["digest"]) not in site.blobs
                ]
                if missing:
                    return 400, {}, error("MANIFEST_BLOB_UNKNOWN")
                subject = document.get("subject", {}).get("digest", "")
                noted = {"OCI-Subject": subject} if subject and site.keeps_referrers else {}
                return 201, {"Docker-Content-Digest": digest(body), **noted}, b""
            found = site.manifests.get((repository, reference))
            if not found:
                return 404, {}, error("MANIFEST_UNKNOWN")
            return 200, {"Content-Type": found[0], "Docker-Content-Digest": digest(found[1])}, found[1]

        def referrers(self, repository: str, subject: str) -> tuple[int, dict[str, str], bytes]:
            if not site.keeps_referrers:
                return 404, {}, b"404 page not found"
            listed = [
                {"mediaType": kind, "digest": name, "size": len(body), "artifactType": json.loads(body)["artifactType"]}
                for (where, name), (kind, body) in site.manifests.items()
                if where == repository and ":" in name and json.loads(body).get("subject", {}).get("digest") == subject
            ]
            kind = "application/vnd.oci.image.index.v1+json"
            return 200, {"Content-Type": kind}, json.dumps({"schemaVersion": 2, "manifests": listed}).encode()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site = StandIn(server.server_address[1], "https" if context else "http")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


def error(code: str, message: str = "") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message or code.lower().replace("_", " ")}]}).encode()


def digest(content: bytes | bytearray) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
