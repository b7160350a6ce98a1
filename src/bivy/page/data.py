"""The texts and figures of a page that are not read from the image: files that a person can read and add to."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.errors import UsageError
from bivy.tables import convert, line_of, parse, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER: Final = Path(__file__).parent
PUBLISHER: Final = "page.toml"
"""The name of the file, in a page's folder, in which its publisher says what no image can."""
# Those of docker-library/docs, metadata.json; Docker Hub takes three at most.
CATEGORIES: Final = (
    "api-management", "content-management-system", "data-science", "databases-and-storage", "developer-tools",
    "integration-and-delivery", "internet-of-things", "languages-and-frameworks", "machine-learning-and-ai",
    "message-queues", "monitoring-and-observability", "networking", "operating-systems", "security", "web-analytics",
    "web-servers",
)  # fmt: skip
_MOST_CATEGORIES: Final = 3
MOST_SHORT: Final = 100
"""How many characters Docker Hub takes for the description of an image in one line."""


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page says of the program that an image is of; ``{minor}`` stands for its series.

    Attributes:
        name: What it is called.
        short: The image in one line.
        what: What it is.
        home: Its web page.
        documentation: Where it is explained.
        licence: Where its licence is.
        vulnerabilities: Where its makers want to be told of a vulnerability.
        categories: Docker Hub's.
    """

    name: str
    short: str
    what: str
    home: str
    documentation: str
    licence: str
    vulnerabilities: str
    categories: tuple[str, ...] = ()


class Publisher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What only who publishes an image knows; docs/page.md explains each key.

    Attributes:
        maintainer: Who looks after the image, as Markdown.
        help: Where to ask, as Markdown.
        repository: The address of the repository with what it is made from.
        issues: Where to file issues; empty for the repository's.
        vulnerabilities: Where to report a vulnerability: an address, or Markdown.
        short: The image in one line.
        licence: What its licence is, as Markdown.
        categories: Docker Hub's.
    """

    maintainer: str = ""
    help: str = ""
    repository: str = ""
    issues: str = ""
    vulnerabilities: str = ""
    short: str = ""
    licence: str = ""
    categories: tuple[str, ...] = ()


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure of two images.

    Attributes:
        what: What was measured.
        own: What bivy's image has; ``size``, ``unpacked`` and ``packages`` are read from the image.
        other: What the other has, in the same unit.
        measured: What printed it.
        when: The day.
    """

    what: str
    own: str
    other: int | str
    measured: str
    when: str


class Compared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another image, and what was measured of it.

    Attributes:
        name: What it is called.
        title: What to call it in a sentence.
        platform: What it is for.
        published: When it was published.
        python: The series of its Python: only images with the same are compared with it.
        figures: The figures.
        packages: The versions of the packages in it, without Alpine's revision.
    """

    name: str
    title: str
    platform: str
    published: str
    python: str
    figures: tuple[Figure, ...]
    packages: dict[str, str]


class _Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    official: Compared


class _Abouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    python: About


@cache
def python_in_general() -> About:
    """Return what there is to say of Python apart from any image of it."""
    path = _FOLDER / "about.toml"
    text = read_text(path)
    return convert(path, text, parse(path, text), _Abouts).python


@cache
def official_image() -> Compared:
    """Return what was measured of the official image."""
    path = _FOLDER / "figures.toml"
    text = read_text(path)
    return convert(path, text, parse(path, text), _Figures).official


def read_publisher(folder: Path) -> Publisher:
    """Read what a page's folder says of its publisher; a folder that has no such file says nothing.

    Raises:
        UsageError: The file is wrong.
    """
    path = folder / PUBLISHER
    publisher, text = Publisher(), ""
    if path.exists():
        text = read_text(path)
        publisher = convert(path, text, parse(path, text), Publisher)
        _check(path, text, publisher)
    repository = folder / "github-repo"  # the official images' documentation says it there
    if not publisher.repository and repository.exists():
        address = read_text(repository).strip()
        if fault := _not_an_address(address):
            raise UsageError(f"{repository}: {fault}")
        publisher = msgspec.structs.replace(publisher, repository=address)
    return publisher


def _check(path: Path, text: str, publisher: Publisher) -> None:
    faults: Mapping[str, str] = {
        "short": f"the most is {MOST_SHORT} characters, and these are {len(publisher.short)}"
        if len(publisher.short) > MOST_SHORT
        else "this has to be one line"
        if "\n" in publisher.short
        else "",
        "repository": _not_an_address(publisher.repository),
        "issues": _not_an_address(publisher.issues),
        "categories": _wrong_categories(publisher.categories),
    }
    for key, fault in faults.items():
        if fault:
            raise UsageError(f"{path}:{line_of(text, key)}: {key}: {fault}")


def _not_an_address(address: str) -> str:
    right = not address or (address.startswith(("https://", "http://")) and not set(address) & set(' \t\n<>()[]"`'))
    return "" if right else "this has to be an address such as https://example.org/images"


def _wrong_categories(categories: tuple[str, ...]) -> str:
    unknown = [category for category in categories if category not in CATEGORIES]
    if unknown:
        return f"Docker Hub has no category {unknown[0]!r}; it has {', '.join(CATEGORIES)}"
    return f"the most is {_MOST_CATEGORIES}" if len(categories) > _MOST_CATEGORIES else ""
