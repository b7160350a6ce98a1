"""Bytes that are known by their digest: in memory, or in a file until somebody asks for them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.errors import BivyError

if TYPE_CHECKING:
    from pathlib import Path

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
    """

    digest: str
    size: int
    content: bytes | Path
    referrer: str = ""

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
        try:
            found = self.content.read_bytes()
        except OSError as fault:
            raise damaged(self.digest, self.referrer, f"is missing: {self.content}: {fault.strerror}") from None
        if digest_of(found) != self.digest:
            what = f"was altered: {self.content} has {len(found)} bytes with digest {digest_of(found)}"
            raise damaged(self.digest, self.referrer, what)
        return found


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
