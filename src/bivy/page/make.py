"""A page is made, or a committed one looked at: facts, texts and the last report of the checks put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.errors import UsageError
from bivy.page.data import Publisher, read_publisher
from bivy.page.folder import Difference, compare, write_folder
from bivy.page.opened import read_facts
from bivy.page.parts import make_files
from bivy.page.verified import VERIFIED, last_verified, newer, read_verified

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bivy.page.facts import Facts
    from bivy.progress import Progress

# What a page can have and need not: who it is about, or who publishes it, may have changed.
OPTIONAL: Final = ("github-repo", "variant-alpine.md", VERIFIED)


MARK: Final = "is written by `bivy page`"
"""What every README that bivy wrote says at its start."""
_MARK_WITHIN: Final = 1000


@dataclass(frozen=True, slots=True)
class Question:
    """Which page is wanted.

    Attributes:
        reference: The image, as the person named it.
        layout: The layout that plain names are in.
        folder: The page's folder; what is in it already counts.
        platform: The platform that is described; empty for the same one on every machine.
        name: What the page calls the image; empty for what the person did.
    """

    reference: str
    layout: Path
    folder: Path
    platform: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        facts: What it says of the image.
        publisher: What its publisher says.
        files: The files of its folder, by name.
    """

    facts: Facts
    publisher: Publisher
    files: Mapping[str, bytes]

    @property
    def gaps(self) -> tuple[str, ...]:
        """The keys of the publisher's file without which readers are left alone."""
        return tuple(key for key in ("maintainer", "issues", "vulnerabilities") if not self._is_told(key))

    def _is_told(self, key: str) -> bool:
        return bool(getattr(self.publisher, key) or (key == "issues" and self.publisher.repository))


def make_page(question: Question, *, cache: Path, looking: bool = False, progress: Progress | None = None) -> Page:
    """Make the page of an image.

    What the image passed is told by the later of two reports: that of this machine's last ``bivy verify`` of it, and
    the one that lies in the page's folder. Where a committed page is only looked at, the one in the folder counts if
    there is one, so that the answer is the same on every machine.

    Args:
        question: Which page.
        cache: bivy's cache folder.
        looking: Whether a committed page is only looked at.
        progress: Who watches what is fetched from a registry.

    Raises:
        UsageError: There is no such image, or a file in the folder is wrong.
        BivyError: The image is damaged.
    """
    if question.folder.exists() and not question.folder.is_dir():
        raise UsageError(f"{question.folder} is not a folder", hint="name the page's folder with --folder")
    _refuse_anothers(question.folder)
    publisher = read_publisher(question.folder)
    facts = read_facts(
        question.reference, layout=question.layout, platform=question.platform, cache=cache, name=question.name,
        progress=progress,
    )  # fmt: skip
    kept, last = read_verified(question.folder, facts.digest), last_verified(facts.digest, cache)
    verified = kept if looking and kept else newer(kept, last)
    return Page(facts, publisher, make_files(facts, publisher, verified))


def _refuse_anothers(folder: Path) -> None:
    """Refuse a folder whose README somebody wrote by hand."""
    try:
        with (folder / "README.md").open("rb") as file:
            start = file.read(_MARK_WITHIN)
    except FileNotFoundError:
        return
    if MARK.encode() not in start:
        raise UsageError(
            f"{folder / 'README.md'} was not written by bivy page, and would be overwritten",
            hint="name another folder with --output, or remove it",
        )


def write_page(page: Page, folder: Path) -> tuple[str, ...]:
    """Write a page's folder; return the names of the files that were not so already."""
    return write_folder(page.files, folder, OPTIONAL)


def out_of_date(page: Page, folder: Path) -> tuple[Difference, ...]:
    """Tell which files of a committed page are not as they would be written now."""
    return compare(page.files, folder, OPTIONAL)
