"""Where packages come from: the lines of ``/etc/apk/repositories``, and the addresses that they lead to."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from bivy.apk.errors import ApkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol

    class Listed(Protocol):
        """What of an index's entry leads to its package; :class:`bivy.apk.index.IndexEntry` has it."""

        @property
        def name(self) -> str:
            """Its name."""

        @property
        def version(self) -> str:
            """Its version with the revision."""

        @property
        def arch(self) -> str:
            """The name of its architecture; empty where the index does not say."""

        @property
        def checksum(self) -> str:
            """``Q1`` and SHA-1 of its control segment in base64."""

        @property
        def size(self) -> int:
            """Bytes of its file; 0 where the index does not say."""


INDEX = "APKINDEX.tar.gz"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*@")


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder, here or elsewhere, that has a folder with an index for each architecture.

    Attributes:
        url: Its ``http:``, ``https:`` or ``file:`` URL, or a path; without a ``/`` at the end.
        tag: The name that pins packages to it (``edge`` of ``name@edge``); empty where it is open to all.
    """

    url: str
    tag: str = ""


def parse_repository(line: str, where: str = "") -> Repository:
    """Read one repository as a line of the file or the option ``--repository`` has it: ``URL`` or ``@TAG URL``.

    Args:
        line: The text.
        where: Where it was found, for messages.

    Raises:
        ApkError: It is none.
    """
    start = f"{where}: " if where else ""
    tag = ""
    words = line.split()
    if words and words[0].startswith("@"):
        tag = words.pop(0)[1:]
        if not tag:
            raise ApkError(f"{start}a tag has a name", hint="as in: @edge https://example.org/alpine/edge/main")
    if not words:
        raise ApkError(f"{start}the URL of the repository is missing")
    if len(words) > 1:
        raise ApkError(
            f"{start}{words[1]!r} follows the URL", hint="one repository a line; a comment is a line of its own"
        )
    return Repository(_checked_url(words[0], start), tag)


def _checked_url(url: str, start: str) -> str:
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() not in ("http", "https", "file"):
        raise ApkError(
            f"{start}{printable(url)}: nothing is fetched by {scheme[1]}", hint="http, https, file, or a path"
        )
    if not url.isprintable():
        raise ApkError(f"{start}a control character in the URL {url!r}")
    folder, _, file = url.rstrip("/").rpartition("/")
    if file.endswith(".adb"):
        raise ApkError(
            f"{start}{printable(url)} is an index of apk-tools 3",
            hint=f"name a repository with {INDEX}, by the folder that has the architectures' folders",
        )
    if file == INDEX:
        raise ApkError(
            f"{start}{printable(url)} is the index, not the repository",
            hint=f"name the folder that has the architectures' folders: {printable(folder.rpartition('/')[0])}",
        )
    return url.rstrip("/") or "/"


def parse_repositories(text: str, where: str) -> list[Repository]:
    """Read the text of a file of repositories: one a line, lines that begin with ``#`` are comments.

    Raises:
        ApkError: A line is none; the message has its number.
    """
    found: dict[Repository, None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            found[parse_repository(stripped, f"{where}, line {number}")] = None
    return list(found)


def read_repositories_file(path: str) -> list[Repository]:
    """Read a file of repositories.

    Raises:
        ApkError: It cannot be read, or a line is none.
    """
    try:
        with open(path, encoding="utf-8") as file:  # pathlib stays out of start-up
            text = file.read()
    except OSError as fault:
        raise ApkError(f"cannot read the repositories {path}: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise ApkError(f"{path} is not UTF-8") from None
    return parse_repositories(text, path)


def _files(root: str) -> Iterator[str]:
    main = os.path.join(root, "etc/apk/repositories")
    if os.path.exists(main):
        yield main
    folder = os.path.join(root, "etc/apk/repositories.d")
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    yield from (os.path.join(folder, name) for name in names if name.endswith(".list"))


def read_repositories(root: str = "/") -> list[Repository]:
    """Read the repositories of a root: ``etc/apk/repositories``, then ``etc/apk/repositories.d/*.list`` by name.

    Neither has to be there.

    Raises:
        ApkError: A file cannot be read, or a line is none.
    """
    return unique(repository for path in _files(root) for repository in read_repositories_file(path))


def unique(repositories: Iterable[Repository]) -> list[Repository]:
    """Return repositories in their order, each once; one with two tags stays there twice."""
    return list(dict.fromkeys(repositories))


def local_path(address: str) -> str | None:
    """Return the path that an address is or has after ``file:``, as apk takes it; ``None`` for http and https."""
    if address[:5].lower() == "file:":
        path = address[5:]
        return "/" + path.lstrip("/") if path.startswith("//") else path
    return None if address[:5].lower() == "http:" or address[:6].lower() == "https:" else address


def printable(address: str) -> str:
    """Return an address as it may be shown: with ``*`` for a password in it."""
    return _PASSWORD.sub(r"\1*@", address)


def _join(repository: Repository, arch: str, file: str) -> str:
    return f"{repository.url.rstrip('/')}/{arch}/{file}"


def index_url(repository: Repository, arch: str) -> str:
    """Return the address of a repository's index for an architecture, by Alpine's name of it."""
    return _join(repository, arch, INDEX)


def file_name(entry: Listed) -> str:
    """Return the name of a package's file in a repository: ``NAME-VERSION.apk``.

    Raises:
        ApkError: A name, version or architecture that would lead out of the folder.
    """
    for text in (entry.name, entry.version, entry.arch or "noarch"):
        if not text or text.startswith(".") or "/" in text or not text.isprintable():
            raise ApkError(f"an index lists {entry.name!r} in version {entry.version!r} for {entry.arch!r}: no package")
    return f"{entry.name}-{entry.version}.apk"


def package_url(repository: Repository, entry: Listed, arch: str) -> str:
    """Return the address of a package that a repository's index lists.

    It is in the folder of the architecture that its entry names, ``noarch`` too (apk-tools 2.14, database.c: Alpine's
    own indexes never say ``noarch``, since they are written with ``--rewrite-arch``).

    Args:
        repository: The repository.
        entry: The index's entry.
        arch: The architecture of the index, for an entry that names none.

    Raises:
        ApkError: The entry's name, version or architecture would lead out of the folder.
    """
    return _join(repository, entry.arch or arch, file_name(entry))
