"""What there is to choose from: the packages of all repositories, those installed, and those given as files.

An index is scanned as text, for names alone; what it says of a package is read when somebody asks for it. Reading all
of the 5,000 packages of a repository would take longer than everything else that ``apk add`` does.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from bivy.apk import version as versions
from bivy.apk.dependency import name_of
from bivy.apk.errors import ApkError
from bivy.apk.index import IndexEntry, parse_index_entry, split_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bivy.apk.database import InstalledPackage

_VERSION_MARK = re.compile(r"[<>=~]+")
_OTHER_SIGNS = re.compile(r"[<>~@!]")


@dataclass(frozen=True, slots=True)
class Source:
    """The index of one repository.

    Attributes:
        text: The text of its index.
        tag: What the repository is pinned to, without ``@``; empty where everybody may use it.
        where: What it is called, for messages.
        available: Whether its packages can be had; not so without network, when only its index is kept.
    """

    text: str
    tag: str = ""
    where: str = "the index"
    available: bool = True


@dataclass(frozen=True, slots=True)
class LocalPackage:
    """A package that no repository has to have: a file, or one that only stands for others (``apk add -t``).

    Attributes:
        entry: What an index would say of it.
        path: Where its file is; empty for one that has none.
    """

    entry: IndexEntry
    path: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One package that can be, or stay, installed. Two with the same checksum are the same, wherever they come from.

    Attributes:
        entry: What is said of it.
        repositories: Which of the universe's sources have it, by their numbers, the first first.
        installed: What the database says of it; ``None`` where it is not installed.
        local: The file or virtual package that it was given as; ``None`` where it comes from a repository.
        cached: Whether its file is kept on this machine, so that it can be had without its repository.
        position: Where it comes in the order of everything that was read.
        provides: The names that it stands for beside its own, each with a version or ``None``.
    """

    entry: IndexEntry
    repositories: tuple[int, ...] = ()
    installed: InstalledPackage | None = None
    local: LocalPackage | None = None
    cached: bool = False
    position: tuple[int, int] = (0, 0)
    provides: tuple[tuple[str, str | None], ...] = ()

    @property
    def name(self) -> str:
        """Its name."""
        return self.entry.name

    @property
    def version(self) -> str:
        """Its version with the revision."""
        return self.entry.version

    def __str__(self) -> str:
        return f"{self.entry.name}-{self.entry.version}"


class _Index:
    """The paragraphs of a text, found by the names in them."""

    __slots__ = (
        "_all_starts", "_entries", "_paragraphs", "_text", "_where", "conditions", "names", "own_names", "provided",
    )  # fmt: skip

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._text = text.strip("\n")
        self._paragraphs = self._text.split("\n\n")
        if not all(paragraph.startswith("C:") for paragraph in self._paragraphs):
            # Fields are found by the line end before them, which that of a paragraph's first line has not.
            self._paragraphs = [f"\n{paragraph}" for paragraph in self._paragraphs]
        self._all_starts: list[int] = []
        self._entries: dict[int, IndexEntry] = {}
        # Of each paragraph, the package's name; of each name, the paragraphs that have it in the field.
        self.own_names = _values(self._paragraphs, "P")
        self.names = _by_line(self.own_names)
        self.provided = _by_word(_values(self._paragraphs, "p"))
        self.conditions = _by_word(_values(self._paragraphs, "i"))

    def entry(self, number: int) -> IndexEntry:
        """Return what a paragraph says.

        Raises:
            ApkError: It is not what a paragraph of an index has to be.
        """
        found = self._entries.get(number)
        if found is None:
            paragraph = self._paragraphs[number].strip("\n")
            where = f"{self._where}, package {self.own_names[number] or number + 1}"
            found = parse_index_entry(split_fields(paragraph.split("\n"), where), where)
            self._entries[number] = found
        return found

    def first_mention(self, name: str) -> tuple[int, int, int] | None:
        """Return the paragraph, the field in it and the word in that, at which a name is read first."""
        fields = {"P": self.names, "D": {}, "p": self.provided, "i": self.conditions}
        places = [(found[name][0], place) for place, found in enumerate(fields.values()) if name in found]
        needed = self._first_needed(name, min(places)[0] if places else None)
        if needed is not None:
            places.append((needed, list(fields).index("D")))
        if not places:
            return None
        number, place = min(places)
        (line,) = _values([self._paragraphs[number]], list(fields)[place])
        return number, place, [name_of(word) for word in line.split()].index(name)

    @property
    def _starts(self) -> list[int]:
        """Where each paragraph begins in the text, and where one after the last would."""
        if not self._all_starts:
            before = 1 if self._paragraphs[0].startswith("\n") else 0
            self._all_starts = list(accumulate((len(each) - before + 2 for each in self._paragraphs), initial=0))
        return self._all_starts

    def _first_needed(self, name: str, last: int | None) -> int | None:
        """Return the first paragraph, up to the last that matters, of a package that depends on a name."""
        text, starts = self._text, self._starts
        end = len(text) if last is None else starts[last + 1]
        start = text.find(name, 0, end)
        while start >= 0:
            line = text.rfind("\n", 0, start) + 1
            if text.startswith("D:", line):
                after = text.find("\n", start)
                words = text[line + 2 : after if after >= 0 else end].split()
                if name in map(name_of, words):
                    return bisect_right(starts, line) - 1
            start = text.find(name, start + 1, end)
        return None


def _values(paragraphs: Sequence[str], letter: str) -> list[str]:
    """Return what each paragraph has in a field, empty where it has not."""
    mark = f"\n{letter}:"
    return [paragraph.partition(mark)[2].partition("\n")[0] for paragraph in paragraphs]


def _by_line(lines: Sequence[str]) -> dict[str, list[int]]:
    """Return, of each text, the numbers of the lines that are it."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if line in found:
            found[line].append(number)
        elif line:
            found[line] = [number]
    return found


def _by_word(lines: Sequence[str]) -> dict[str, list[int]]:
    """Return, of each name in the lines, the numbers of the lines that have it."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if not line:
            continue
        # Nearly all lines have no other sign, and this is the loop that reading an index spends its time in.
        plain = _OTHER_SIGNS.search(line) is None
        for word in line.split():
            name = word.partition("=")[0] if plain else name_of(word)
            if name in found:
                found[name].append(number)
            else:
                found[name] = [number]
    return found


def provided_by(entry: IndexEntry) -> tuple[tuple[str, str | None], ...]:
    """Return the names that a package stands for beside its own, each with a version or ``None``.

    Like apk, this stops at a word with something behind its sign that is not a version.
    """
    found: list[tuple[str, str | None]] = []
    for word in entry.provides:
        name, sign, version = word.partition("=")
        if _OTHER_SIGNS.search(word) or version.startswith("="):
            name = name_of(word)
            sign, version = word[len(name) :], _VERSION_MARK.sub("", word[len(name) :], count=1)
        if not sign:
            found.append((name, None))
        elif versions.is_valid(version):
            found.append((name, version))
        else:
            break
    return tuple(found)


class Universe:
    """All packages that there are, by their names and by what they provide.

    Args:
        sources: The repositories' indexes, in the order in which they are preferred.
        installed: What is installed, in the database's order.
        local: Packages given beside the repositories.
        cached: Tells whether a package's file is kept on this machine; none is without.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        installed: Sequence[InstalledPackage] = (),
        local: Sequence[LocalPackage] = (),
        cached: Callable[[IndexEntry], bool] | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self.local = tuple(local)
        self._cached = cached
        self._installed = tuple(installed)
        self._indexes = [_Index(source.text, source.where) for source in sources]
        self._named: dict[str, tuple[Candidate, ...]] = {}
        self._providers: dict[str, tuple[tuple[Candidate, str | None], ...]] = {}
        # Packages that are in no text, by their own names and by those that they provide.
        self._others: dict[str, list[str]] = {}
        self._conditional: dict[str, list[str]] = {}
        self._installed_named: dict[str, list[tuple[int, InstalledPackage]]] = {}
        for number, package in enumerate(self._installed):
            self._installed_named.setdefault(package.entry.name, []).append((number, package))
        for entry in (*(package.entry for package in installed), *(package.entry for package in local)):
            for name, _ in provided_by(entry):
                self._others.setdefault(name, []).append(entry.name)
            for word in entry.install_if:
                self._conditional.setdefault(name_of(word), []).append(entry.name)

        # Names that are conditions of some package's: of most there is nothing to be looked for.
        self.conditional_names = frozenset(self._conditional).union(*(index.conditions for index in self._indexes))

    def named(self, name: str) -> tuple[Candidate, ...]:
        """Return all packages of a name: those installed, then in the order of the repositories.

        Raises:
            ApkError: An index does not describe one of them as it has to.
        """
        found = self._named.get(name)
        if found is None:
            found = self._named[name] = tuple(self._read(name))
        return found

    def _read(self, name: str) -> Iterator[Candidate]:
        installed = {package.entry.checksum: package for _, package in self._installed_named.get(name, ())}
        local = {package.entry.checksum: package for package in self.local if package.entry.name == name}
        places: dict[str, list[int]] = {}
        first: dict[str, tuple[tuple[int, int], IndexEntry]] = {}
        for number, package in self._installed_named.get(name, ()):
            first.setdefault(package.entry.checksum, ((0, number), package.entry))
        for source, index in enumerate(self._indexes):
            for number in index.names.get(name, ()):
                entry = index.entry(number)
                if entry.name != name:
                    raise ApkError(f"{self.sources[source].where}: {name!r} is not a package's name")
                first.setdefault(entry.checksum, ((source + 1, number), entry))
                listed = places.setdefault(entry.checksum, [])
                if source not in listed:
                    listed.append(source)
        for number, given in enumerate(self.local):
            if given.entry.name == name:
                first.setdefault(given.entry.checksum, ((len(self._indexes) + 1, number), given.entry))
        for checksum, (position, entry) in first.items():
            yield Candidate(
                entry,
                tuple(places.get(checksum, ())),
                installed.get(checksum),
                local.get(checksum),
                self._cached is not None and self._cached(entry),
                position,
                provided_by(entry),
            )

    def find(self, name: str) -> tuple[Candidate, ...]:
        """Return all packages that have a name or provide it, in order, each once."""
        return tuple(dict.fromkeys(candidate for candidate, _ in self.providers(name)))

    def providers(self, name: str) -> tuple[tuple[Candidate, str | None], ...]:
        """Return all packages that have a name or provide it, with the version in which they do.

        The version is ``None`` for those that provide it without one. A package that provides its own name, or one
        name several times, is there as often.

        Raises:
            ApkError: An index does not describe one of them as it has to.
        """
        found = self._providers.get(name)
        if found is None:
            owners = dict.fromkeys([name, *self._others.get(name, ())])
            for index in self._indexes:
                for number in index.provided.get(name, ()):
                    owners[index.own_names[number]] = None
            candidates = sorted(
                (candidate for owner in owners if owner for candidate in self.named(owner)),
                key=lambda candidate: candidate.position,
            )
            found = tuple(
                (candidate, version)
                for candidate in candidates
                for provided, version in ((candidate.name, candidate.version), *candidate.provides)
                if provided == name
            )
            self._providers[name] = found
        return found

    def wanted_with(self, name: str) -> tuple[Candidate, ...]:
        """Return the packages of which a name is one condition (``install_if``) for being installed."""
        owners = dict.fromkeys(self._conditional.get(name, ()))
        for index in self._indexes:
            for number in index.conditions.get(name, ()):
                owners[index.own_names[number]] = None
        return tuple(
            candidate
            for owner in owners
            if owner
            for candidate in self.named(owner)
            if any(name_of(word) == name for word in candidate.entry.install_if)
        )

    def installed(self) -> tuple[Candidate, ...]:
        """Return what is installed, in the database's order."""
        found = {
            candidate.position: candidate
            for name in self._installed_named
            for candidate in self.named(name)
            if candidate.installed is not None
        }
        return tuple(found[position] for position in sorted(found))

    def installed_named(self, name: str) -> Candidate | None:
        """Return the installed package of a name; ``None`` where there is none."""
        return (
            next((each for each in self.named(name) if each.installed), None) if name in self._installed_named else None
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of all packages, in the order in which they were read."""
        found = dict.fromkeys(self._installed_named)
        for index in self._indexes:
            found.update(dict.fromkeys(index.names))
        found.update(dict.fromkeys(package.entry.name for package in self.local))
        return tuple(name for name in found if name)

    def packages(self) -> Iterator[Candidate]:
        """Go through all packages, name by name.

        Raises:
            ApkError: An index does not describe one of them as it has to.
        """
        for name in self.names():
            yield from self.named(name)

    def repositories_tagged(self, tag: str) -> tuple[int, ...]:
        """Return the numbers of the repositories that have a tag; of those without, where it is empty."""
        return tuple(number for number, source in enumerate(self.sources) if source.tag == tag)

    def first_mention(self, name: str) -> tuple[int, int, int, int]:
        """Return where a name was read first, whether as a package's, as provided, or as needed by one."""
        for number, package in enumerate(self._installed):
            entry = package.entry
            for field, words in enumerate(((entry.name,), entry.depends, entry.provides, entry.install_if)):
                if name in (found := [name_of(word) for word in words]):
                    return 0, number, field, found.index(name)
        for source, index in enumerate(self._indexes):
            if mention := index.first_mention(name):
                return (source + 1, *mention)
        return len(self._indexes) + 1, 0, 0, 0
