"""An index's list of a distribution's files (the Simple API: PEP 503, 629, 691, 700), kept with its age and ETag."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from bivy.errors import BivyError
from bivy.files import write_whole
from bivy.musl.dependencies.lock import File
from bivy.musl.dependencies.settings import with_credentials, without_credentials
from bivy.musl.dependencies.uvlock import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import httpx

PYPI: Final = "https://pypi.org/simple"
_JSON: Final = "application/vnd.pypi.simple.v1+json"
_ACCEPT: Final = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_FRESH: Final = 600.0
"""Seconds for which an answer is not asked for again: what PyPI's own answers allow."""
_LIMIT: Final = 64 << 20
_PATIENCE: Final = 6.0


class NoSuchProjectError(BivyError):
    """The index answers that it has no distribution of this name."""


@dataclass
class Index:
    """What asks indexes, with their answers.

    Attributes:
        cache: bivy's cache folder.
        offline: Whether nothing may be fetched; then answers of any age are good.
        options: Options for uv that may hold credentials of an index.
        patience: Seconds to wait for an answer.
    """

    cache: Path
    offline: bool = False
    options: tuple[str, ...] = ()
    patience: float = _PATIENCE
    _client: httpx.Client | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[str, tuple[File, ...] | BivyError] = field(default_factory=dict)

    def files(self, name: str, index: str = "") -> tuple[File, ...]:
        """Return all files of a distribution that an index has.

        Args:
            name: The distribution's normalised name.
            index: The index's address, as in a lock; empty for PyPI.

        Raises:
            NoSuchProjectError: The index does not know it.
            BivyError: The index does not answer, or not in a form that is known.
        """
        address = f"{(index or PYPI).rstrip('/')}/{name}/"
        with self._lock:
            known = self._known.get(address)
        if known is None:
            try:
                known = self._ask(address)
            except BivyError as fault:
                known = fault
            with self._lock:
                self._known[address] = known
        if isinstance(known, BivyError):
            raise known
        return known

    def client(self) -> httpx.Client:
        """Return the one client of all requests.

        Raises:
            BivyError: The environment names a proxy or authorities that are none.
        """
        from bivy.source.download import open_client

        with self._lock:
            if self._client is None:
                self._client = open_client(connect=self.patience, read=self.patience)
            return self._client

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _ask(self, address: str) -> tuple[File, ...]:
        place = self.cache / "index" / hashlib.sha256(address.encode()).hexdigest()
        kept = _read_kept(place)
        if kept and (self.offline or time.time() - kept["asked"] < _FRESH):
            return _parse(kept["body"], kept["type"], address)
        if self.offline:
            raise BivyError(f"{address} was not asked: nothing may be fetched", hint="ask again without --offline")
        headers = {"Accept": _ACCEPT, "Accept-Encoding": "gzip"}
        if kept and kept["etag"]:
            headers["If-None-Match"] = kept["etag"]
        status, answered, body = self._fetch(address, headers)
        if status == 304 and kept:
            _keep(place, {**kept, "asked": time.time()})
            return _parse(kept["body"], kept["type"], address)
        kind = answered.get("content-type", "").split(";")[0].strip().lower()
        files = _parse(body, kind, answered.get("x-bivy-address", address))
        _keep(place, {"asked": time.time(), "etag": answered.get("etag", ""), "type": kind, "body": body})
        return files

    def _fetch(self, address: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        import httpx

        shown = without_credentials(address)
        deadline = time.monotonic() + 2 * self.patience
        try:
            with self.client().stream("GET", with_credentials(address, self.options), headers=headers) as response:
                if response.status_code in (404, 410):
                    raise NoSuchProjectError(f"{shown} does not exist")
                if response.status_code not in (200, 304):
                    reason = f"{response.status_code} {response.reason_phrase}".rstrip()
                    raise BivyError(f"{shown} could not be fetched: {reason}")
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > _LIMIT or time.monotonic() > deadline:
                        what = "is larger than any index's answer" if len(body) > _LIMIT else "comes too slowly"
                        raise BivyError(f"{shown} {what}")
                answered = {name.lower(): value for name, value in response.headers.items()}
                answered["x-bivy-address"] = without_credentials(str(response.url))
                return response.status_code, answered, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as fault:
            raise BivyError(
                f"{shown} could not be fetched: {str(fault) or type(fault).__name__}",
                hint="look at the network and the proxy settings",
            ) from fault


def _read_kept(place: Path) -> dict[str, Any] | None:
    import msgspec

    try:
        kept = msgspec.msgpack.decode(place.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    wanted = {"asked": float, "etag": str, "type": str, "body": bytes}
    if not isinstance(kept, dict) or any(not isinstance(kept.get(key), kind) for key, kind in wanted.items()):
        return None
    return kept


def _keep(place: Path, kept: Mapping[str, object]) -> None:
    import contextlib

    import msgspec

    with contextlib.suppress(OSError):  # a cache that cannot be written to costs time, nothing else
        write_whole(place, msgspec.msgpack.encode(kept))


def _parse(body: bytes, kind: str, address: str) -> tuple[File, ...]:
    try:
        if kind.endswith("json"):
            return parse_json(body, address)
        if kind.endswith("html"):
            return parse_html(body.decode("utf-8"), address)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise BivyError(f"{address} does not answer in the form of an index: {fault}") from fault
    raise BivyError(f"{address} answers with {kind or 'no type of content'}, which is no answer of an index")


def parse_json(body: bytes, address: str) -> tuple[File, ...]:
    """Return the files that an answer in JSON names (PEP 691).

    Raises:
        ValueError: It is not of that form, or of a version that is not known.
        KeyError: Something required is not there.
    """
    import msgspec

    table = msgspec.json.decode(body)
    version = str(table.get("meta", {}).get("api-version", "1.0")) if isinstance(table, dict) else ""
    if version.split(".")[0] != "1":
        raise ValueError(f"version {version or 'unknown'} of the Simple API")
    files = []
    for each in table["files"]:
        hashes, size = each.get("hashes") or {}, each.get("size")
        files.append(
            File(
                str(each["filename"]),
                urljoin(address, str(each["url"])),
                size if isinstance(size, int) else None,
                str(hashes.get("sha256", "")) if isinstance(hashes, dict) else "",
                str(each.get("requires-python") or ""),
                bool(each.get("yanked")),
            )
        )
    return tuple(files)


def parse_html(text: str, address: str) -> tuple[File, ...]:
    """Return the files that an answer in HTML names (PEP 503, 592)."""
    reader = _Anchors()
    reader.feed(text)
    base = urljoin(address, reader.base) if reader.base else address
    files = []
    for attributes in reader.anchors:
        url = urljoin(base, attributes["href"] or "")
        digest = urlsplit(url).fragment
        files.append(
            File(
                unquote(name_of(url)),
                url.split("#")[0],
                None,
                digest.removeprefix("sha256=") if digest.startswith("sha256=") else "",
                attributes.get("data-requires-python") or "",
                "data-yanked" in attributes,
            )
        )
    return tuple(files)


class _Anchors(HTMLParser):
    """The links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: list[dict[str, str | None]] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "a" and attributes.get("href"):
            self.anchors.append(attributes)
        elif tag == "base":
            self.base = attributes.get("href") or ""
