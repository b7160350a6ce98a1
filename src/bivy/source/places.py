"""Where a pin is to be had on this machine: upstream, the user's mirrors, the Debian archive it is configured for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from bivy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.source.pin import Pin, Place


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The user's own places: each holds files by their name, or by the path that they have in a Debian archive.

    Raises:
        UsageError: An address is not an http, https or file address.
    """

    urls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for url in self.urls:
            if not _is_address(url):
                raise UsageError(
                    f"{url!r} is not the address of a mirror",
                    hint="a mirror begins with https://, http:// or file:///",
                )


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address, and the digest that the file there has to have."""

    address: str
    sha256: str

    @property
    def shown(self) -> str:
        """The address without the password in it, for messages."""
        return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:…@", self.address)


def mirrors_told(options: Sequence[str], environ: Mapping[str, str] = os.environ) -> Mirrors:
    """Return the mirrors that the user named: by ``--mirror``, then in ``BIVY_MIRRORS``, separated by spaces.

    Raises:
        UsageError: One of them is not an address.
    """
    return Mirrors(tuple(dict.fromkeys([*options, *environ.get("BIVY_MIRRORS", "").split()])))


def candidates(pin: Pin, mirrors: Mirrors, archives: Sequence[str]) -> list[Candidate]:
    """Return every address of a pin, the first to be tried first.

    Upstream's addresses come first, then the mirrors, then the Debian archives.

    Args:
        pin: What is wanted.
        mirrors: The user's mirrors.
        archives: Addresses of Debian archives' roots, as `debian_archives` gives them.
    """
    found = [Candidate(place.url, place.sha256) for place in pin.places if place.url]
    found += [
        Candidate(_below(mirror, path), place.sha256)
        for mirror in mirrors.urls
        for place in pin.places
        for path in _paths_on_mirror(place)
    ]
    found += [
        Candidate(_below(archive, place.debian), place.sha256)
        for archive in archives
        for place in pin.places
        if place.debian
    ]
    return list(dict.fromkeys(found))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.netloc) if parts.scheme in ("http", "https") else url.startswith("file:///")


def _paths_on_mirror(place: Place) -> Iterator[str]:
    yield place.file_name
    if place.debian:
        yield place.debian


def _below(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{quote(path, safe='/+~:')}"
