"""What a recipe says of a source: its name, and where the file with which digest is to be had."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from bivy.errors import UsageError

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """One place where a source is to be had. Exactly one of `url` and `debian` is given.

    Attributes:
        sha256: Digest of the file at this place, in hexadecimal: a distributor's repack has another than upstream's.
        url: Upstream's address.
        debian: Path under the root of a Debian archive, such as ``pool/main/z/zlib/zlib_1.3.orig.tar.gz``.

    Raises:
        UsageError: It is not one place, the digest is none, or no file is named.
    """

    sha256: str
    url: str = ""
    debian: str = ""

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.debian):
            raise UsageError("a place has either a url or a path in a Debian archive", hint="give one of the two")
        if not _DIGEST.fullmatch(self.sha256):
            raise UsageError(
                f"{self.location}: {self.sha256!r} is not a SHA-256 digest",
                hint="it has 64 hexadecimal digits, in lower case, as sha256sum prints them",
            )
        try:
            named = self.file_name not in ("", ".", "..")
        except ValueError:
            named = False
        if not named:
            raise UsageError(
                f"{self.location} is not the address of a file", hint="an address ends with the file's name"
            )

    @property
    def location(self) -> str:
        """The address or path, for messages."""
        return self.url or self.debian

    @property
    def file_name(self) -> str:
        """The name of the file, without folders."""
        return posixpath.basename(unquote(urlsplit(self.url).path) if self.url else self.debian)


@dataclass(frozen=True, slots=True)
class Pin:
    """A source that is the same file, byte by byte, wherever it comes from.

    Attributes:
        name: What the source is called.
        version: Its version, for messages.
        places: Where it is to be had, in the order in which they are tried.
    """

    name: str
    version: str
    places: tuple[Place, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()
