"""An index on the loopback interface, with wheels and source archives that tests put there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Shelved:
    """A file of a project: what the index says of it, and its bytes."""

    name: str
    content: bytes
    requires_python: str = ""
    yanked: bool = False


@dataclass
class Shelf:
    """What the index has, how it answers, and what it was asked."""

    port: int
    projects: dict[str, list[Shelved]] = field(default_factory=dict)
    kind: str = JSON
    refusals: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    delay: float = 0.0
    asked: list[str] = field(default_factory=list)
    not_modified: int = 0
    authorizations: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple"

    def wheel(
        self,
        name: str,
        version: str,
        tags: str = "py3-none-any",
        requires: Sequence[str] = (),
        *,
        requires_python: str = "",
        yanked: bool = False,
        extras: Sequence[str] = (),
    ) -> str:
        """Add a wheel; return its address."""
        file = f"{name.replace('-', '_')}-{version}-{tags}.whl"
        content = make_wheel(name, version, tags, requires, requires_python, extras)
        self.projects.setdefault(name, []).append(Shelved(file, content, requires_python, yanked))
        return f"http://127.0.0.1:{self.port}/files/{file}"

    def sdist(
        self,
        name: str,
        version: str,
        files: dict[str, str] | None = None,
        requires: Sequence[str] = (),
        *,
        metadata: str = "2.2",
    ) -> None:
        """Add a source archive; with metadata before 2.2, uv would have to build it to know its requirements."""
        stem = f"{name.replace('-', '_')}-{version}"
        content = make_sdist(stem, name, version, files or {}, requires, metadata)
        self.projects.setdefault(name, []).append(Shelved(f"{stem}.tar.gz", content))


def make_wheel(
    name: str,
    version: str,
    tags: str,
    requires: Sequence[str] = (),
    requires_python: str = "",
    extras: Sequence[str] = (),
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    stem = f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {each}" for each in extras]
    lines += [f"Requires-Dist: {each}" for each in requires]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n")
        archive.writestr(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tags}\n")
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return memory.getvalue()


def make_sdist(
    stem: str, name: str, version: str, files: dict[str, str], requires: Sequence[str] = (), metadata: str = "2.2"
) -> bytes:
    lines = [f"Metadata-Version: {metadata}", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for path, content in {"PKG-INFO": "\n".join(lines) + "\n", **files}.items():
            info = tarfile.TarInfo(f"{stem}/{path}")
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    return memory.getvalue()


@contextlib.contextmanager
def serve_shelf() -> Iterator[Shelf]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.asked.append(self.path)
            shelf.authorizations.append(self.headers.get("Authorization", ""))
            time.sleep(shelf.delay)
            parts = self.path.strip("/").split("/")
            if self.path in shelf.refusals:
                self._answer(shelf.refusals[self.path], HTML, b"no")
            elif self.path in shelf.bodies:
                self._answer(200, *shelf.bodies[self.path])
            elif parts[0] == "simple" and len(parts) == 2 and parts[1] in shelf.projects:
                self._list(shelf.projects[parts[1]], parts[1])
            elif parts[0] == "files":
                found = [each for files in shelf.projects.values() for each in files if each.name == parts[-1]]
                self._answer(200 if found else 404, "application/octet-stream", found[0].content if found else b"")
            else:
                self._answer(404, HTML, b"")

        do_HEAD = do_GET  # noqa: N815 - what http.server looks for

        def _list(self, files: Sequence[Shelved], name: str) -> None:
            body = _json(files, name) if shelf.kind == JSON else _html(files)
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            if self.headers.get("If-None-Match") == tag:
                shelf.not_modified += 1
                self._answer(304, shelf.kind, b"", tag)
                return
            self._answer(200, shelf.kind, body, tag)

        def _answer(self, status: int, kind: str, body: bytes, tag: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """Say nothing: clients that go away are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    shelf = Shelf(server.server_address[1])
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()


def _json(files: Sequence[Shelved], name: str) -> bytes:
    entries = [
        {
            "filename": each.name,
            "url": f"/files/{each.name}",
            "hashes": {"sha256": hashlib.sha256(each.content).hexdigest()},
            "requires-python": each.requires_python or None,
            "size": len(each.content),
            "yanked": each.yanked,
        }
        for each in files
    ]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": entries}).encode()


def _html(files: Sequence[Shelved]) -> bytes:
    lines = []
    for each in files:
        digest = hashlib.sha256(each.content).hexdigest()
        more = f' data-requires-python="{each.requires_python.replace(">", "&gt;")}"' if each.requires_python else ""
        more += ' data-yanked=""' if each.yanked else ""
        lines.append(f'<a href="../../files/{each.name}#sha256={digest}"{more}>{each.name}</a>')
    return ("<!DOCTYPE html><html><body>" + "\n".join(lines) + "</body></html>").encode()
