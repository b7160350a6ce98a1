"""The Debian archives that a machine is configured for, read from apt's own sources without apt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_ONE_LINE = re.compile(r"\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s*)?(?P<uri>[^\s\[]\S*)\s+(?P<suite>\S+)(?P<components>.*)")
_NO = {"no", "false", "without", "off", "disable", "0"}
_SUITE = re.compile(
    r"(stable|oldstable|oldoldstable|testing|unstable|sid|experimental|buster|bullseye|bookworm|trixie|forky|duke)"
    r"([-/](updates|security|proposed-updates|backports|backports-sloppy))?"
)
_POOL_FOLDER = re.compile(r"(debian|ubuntu|raspbian)(-[a-z]+)?")


@dataclass(frozen=True, slots=True)
class _Source:
    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def debian_archives(root: Path = Path("/etc/apt")) -> tuple[str, ...]:
    """Return the addresses of the Debian archives in a folder of apt's, in order and each once.

    Both forms are read (sources.list(5), apt 2.6: the one-line style and deb822). What cannot be read or is odd is
    passed over. Archives that hold no pool of Debian's, such as those of a single program, are left out.

    Args:
        root: The folder that has ``sources.list`` and ``sources.list.d`` in it.
    """
    sources = [source for path in _files(root) for source in _read(path)]
    addresses = (_address(source.uri) for source in sources if _holds_debian(source))
    return tuple(dict.fromkeys(address for address in addresses if address))


def _files(root: Path) -> Iterator[Path]:
    yield root / "sources.list"
    parts = root / "sources.list.d"
    yield from sorted(path for form in ("*.list", "*.sources") for path in parts.glob(form))


def _read(path: Path) -> Iterator[_Source]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return iter(())
    return _stanzas(text) if path.suffix == ".sources" else _lines(text)


def _lines(text: str) -> Iterator[_Source]:
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0])
        if match:
            yield _Source(match["uri"], (match["suite"],), tuple(match["components"].split()))


def _stanzas(text: str) -> Iterator[_Source]:
    lines = "\n".join(line.rstrip() for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n{2,}", lines):
        fields = {
            name.strip().lower(): value.split()
            for name, _, value in (field.partition(":") for field in re.split(r"\n(?![ \t])", stanza))
        }
        if not {"deb", "deb-src"} & set(fields.get("types", ())) or _NO & set(fields.get("enabled", ())):
            continue
        for uri in fields.get("uris", ()):
            yield _Source(uri, tuple(fields.get("suites", ())), tuple(fields.get("components", ())))


def _holds_debian(source: _Source) -> bool:
    if "main" not in source.components:
        return False
    folders = source.uri.split("/")
    return any(map(_POOL_FOLDER.fullmatch, folders)) or any(map(_SUITE.fullmatch, source.suites))


def _address(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if "$(" in uri:
        return None
    if parts.scheme in ("file", "copy") and parts.path.startswith("/"):
        return "file://" + parts.path.rstrip("/")
    return uri.rstrip("/") if parts.scheme in ("http", "https") and parts.netloc else None
