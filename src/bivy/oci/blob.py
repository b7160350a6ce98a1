"""Bytes that are known by their digest: in memory, or in a file until somebody asks for them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bivy.errors import BivyError
from bivy.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PIECE = 1 << 18

# SHA-256 is the algorithm that image-spec's descriptor.md requires of everybody, and the one that all images use.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Blob:
    """Some bytes.

    Attributes:
        digest: ``sha256:`` and 64 hexadecimal digits.
        size: How many bytes.
        content: The bytes, or the file that has them.
        referrer: What refers to them, for messages: ``manifest sha256:…``.
        fetch: What brings the file here, where it is not here before somebody asks for the bytes.
    """

    digest: str
    size: int
    content: bytes | Path
    referrer: str = ""
    fetch: Callable[[], None] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, content: bytes) -> Blob:
        """Name some bytes by their digest."""
        return cls(digest_of(content), len(content), content)

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            BivyError: The file is missing, cut off or altered; the message names it, and what refers to it.
        """
        if isinstance(self.content, bytes):
            return self.content
        if self.fetch:
            self.fetch()
        try:
            found = self.content.read_bytes()
        except OSError as fault:
            raise damaged(self.digest, self.referrer, f"is missing: {self.content}: {fault.strerror}") from None
        if digest_of(found) != self.digest:
            what = f"was altered: {self.content} has {len(found)} bytes with digest {digest_of(found)}"
            raise damaged(self.digest, self.referrer, what)
        return found

    def verify(self) -> None:
        """Make sure that the bytes are here and what they have to be, without having all of them in memory.

        Raises:
            BivyError: They are not.
        """
        if isinstance(self.content, bytes):
            return
        if self.fetch:
            self.fetch()
        try:
            found = f"sha256:{sha256_of(self.content)}"
        except OSError as fault:
            raise damaged(self.digest, self.referrer, f"is missing: {self.content}: {fault.strerror}") from None
        if found != self.digest:
            raise damaged(self.digest, self.referrer, f"was altered: {self.content} has the digest {found}")

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes, or some of them, in small pieces; `verify` comes first."""
        end = self.size if end is None else end
        if isinstance(self.content, bytes):
            yield from (self.content[at : min(at + _PIECE, end)] for at in range(start, end, _PIECE))
            return
        with self.content.open("rb") as file:
            file.seek(start)
            while start < end and (piece := file.read(min(_PIECE, end - start))):
                start += len(piece)
                yield piece


def damaged(digest: str, referrer: str, what: str) -> BivyError:
    """Make the fault that is told of a blob that is not what it has to be."""
    named = f"blob {digest}, which {referrer} refers to," if referrer else f"blob {digest}"
    return BivyError(f"{named} {what}", hint="build or copy the image again: that puts it right")


def digest_of(content: bytes) -> str:
    """Return the digest of some bytes, as OCI spells it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_digest(text: str) -> bool:
    """Tell whether a text is a digest that can safely be part of a path."""
    return _DIGEST.fullmatch(text) is not None
