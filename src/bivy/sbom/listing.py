"""What a list of an image's content says, whatever the format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["package", "distribution", "program"]
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?(/[!#-;=?-\[\]_a-z~]*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source is to be had, as an address, and the SHA-256 of the file there, in hexadecimal."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Patch:
    """A change that was made to a source: its file's name, its digests in hexadecimal, and the change itself."""

    name: str
    sha1: str
    sha256: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """What something was compiled from.

    Attributes:
        name: What the source is called.
        version: Its version.
        places: Where it is to be had: which of them it came from made no difference to what is in the image.
        patches: What was changed in it, in this order.
    """

    name: str
    version: str
    places: tuple[Place, ...]
    patches: tuple[Patch, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that is in an image.

    Attributes:
        ref: What others refer to it by in this list: its package URL, unless told otherwise.
        kind: What it is: a package of the system's, a distribution of Python's, or a program.
        name: Its name.
        version: Its version.
        purl: Its package URL (https://github.com/package-url/purl-spec).
        license: What it says of its licence, as it says it.
        summary: What it is for, in one line.
        homepage: Where more is said of it.
        supplier: Who made the package.
        sha256: Digest of the file that was installed, in hexadecimal, where that is known.
        url: Where that file was had from.
        facts: What else is known, by names that begin with ``bivy:``.
        sources: What it was compiled from, where bivy did that.
        needs: The refs of what it depends on.
    """

    ref: str
    kind: Kind
    name: str
    version: str
    purl: str
    license: str = ""
    summary: str = ""
    homepage: str = ""
    supplier: str = ""
    sha256: str = ""
    url: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    sources: tuple[Source, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in an image.

    Attributes:
        name: What the image is called, without a tag.
        version: Its tag.
        identity: What makes it this list and no other, such as the image's digest: the list's number follows from it.
        created: When the image was made, in seconds since 1970, which is also when the list says that it was made.
        components: What is in it, in the order of their refs; no two have the same.
        digest: The digest of the image's manifest; empty where the list does not depend on it.
        purl: The image's package URL; empty likewise.
        problems: What could not be read, for a person.
    """

    name: str
    version: str
    identity: str
    created: int
    components: tuple[Component, ...]
    digest: str = ""
    purl: str = ""
    problems: tuple[str, ...] = ()


def purl_of(kind: str, space: str | None, name: str, version: str, qualifiers: Mapping[str, str] | None = None) -> str:
    """Return a package URL; empty where there can be none, as for a name that is only slashes."""
    from packageurl import PackageURL

    try:
        text = str(PackageURL(kind, space, name, version, dict(qualifiers or {})))
        PackageURL.from_string(text)
    except ValueError:
        return ""
    return text


def address(text: str) -> str:
    """Return an address on the web; empty where something else stands in its place (RFC 3986)."""
    return text if _ADDRESS.fullmatch(text) else ""


def clean(text: str) -> str:
    """Return a text in one line, without what no document can have (lone surrogates)."""
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
