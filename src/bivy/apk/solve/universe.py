"""What there is to choose from: the packages of all repositories, those installed, and those given as files.

An index is scanned as text, for names alone; what it says of a package is read when somebody asks for it. Reading all
of the 5,000 packages of a repository would take longer than everything else that ``apk add`` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bivy.apk import version as versions
from bivy.apk.dependency import name_of
from bivy.apk.errors import ApkError
from bivy.apk.index import IndexEntry, parse_index_entry, read_usual_entry, split_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bivy.apk.database import InstalledPackage

_VERSION_MARK = re.compile(r"[<>=~]+")
_OTHER_SIGNS = re.compile(r"[<>~@!]")
# The fields of an index that have names in them which are looked for.
_FIELD = re.compile(r"\n([Ppi]):(.*)")


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


class _Names:
    """Where in a text names are: of each the places, in order."""

    __slots__ = ("first", "others")

    def __init__(self) -> None:
        # Nearly all names are in one place only, and to make a list for each takes longer than to find them.
        self.first: dict[str, int] = {}
        self.others: dict[str, list[int]] = {}

    def places(self, name: str) -> Sequence[int]:
        """Return all places of a name."""
        first = self.first.get(name)
        return () if first is None else (first, *self.others.get(name, ()))

    def drop_other_signs(self) -> None:
        """Take only the names of words that have something else than ``=`` behind them, or ``!`` before."""
        together = "\n".join(self.first)
        if any(sign in together for sign in "<>~@!"):
            for word in [word for word in self.first if name_of(word) != word]:
                places = sorted((*self.places(word), *self.places(name_of(word))))
                del self.first[word]
                self.others.pop(word, None)
                self.first[name_of(word)], self.others[name_of(word)] = places[0], places[1:]


def _find_names(text: str) -> dict[str, _Names]:
    """Return the names in fields of an index, by the field's letter; the place of each is the line end before it."""
    found = {letter: _Names() for letter in "Ppi"}
    # This is the loop that reading an index spends its time in. It calls nothing of ours, and goes over the text once.
    for match in _FIELD.finditer(text):
        letter, line = match.groups()
        place = match.start()
        names = found[letter]
        first = names.first
        if letter == "P":
            if line in first:
                names.others.setdefault(line, []).append(place)
            elif line:
                first[line] = place
            continue
        for word in line.split():
            name = word.partition("=")[0]
            if name in first:
                names.others.setdefault(name, []).append(place)
            else:
                first[name] = place
    found["p"].drop_other_signs()
    found["i"].drop_other_signs()
    return found


class _Index:
    """The paragraphs of a text, each known by where it begins, found by the names in them."""

    __slots__ = ("_entries", "_owners", "_text", "_where", "conditions", "names", "provided")

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        # Fields are found by the line end before them.
        self._text = text if text.startswith(("C:", "\n")) else f"\n{text}"
        self._entries: dict[int, IndexEntry] = {}
        self._owners: dict[int, str] = {}
        found = _find_names(self._text)
        self.names, self.provided, self.conditions = found["P"], found["p"], found["i"]

    def paragraph(self, place: int) -> int:
        """Return where the paragraph of a line begins."""
        return self._text.rfind("\n\n", 0, place + 1) + 1

    def _end(self, place: int) -> int:
        """Return where the paragraph of a line ends."""
        end = self._text.find("\n\n", place + 1)
        return end if end >= 0 else len(self._text)

    def _line(self, place: int) -> str:
        """Return what the field behind a line end says."""
        end = self._text.find("\n", place + 1)
        return self._text[place + len("\nP:") : end if end >= 0 else None]

    def owner(self, place: int) -> str:
        """Return the name of the package that a line is about; empty where its paragraph has none."""
        found = self._owners.get(place)
        if found is None:
            name = self._text.find("\nP:", self.paragraph(place), self._end(place))
            found = self._owners[place] = self._line(name) if name >= 0 else ""
        return found

    def entry(self, start: int) -> IndexEntry:
        """Return what a paragraph says.

        Raises:
            ApkError: It is not what a paragraph of an index has to be.
        """
        found = self._entries.get(start)
        if found is None:
            paragraph = self._text[start : self._end(start)].strip("\n")
            found = read_usual_entry(paragraph)
            if found is None:
                where = f"{self._where}, package {self.owner(start) or f'at {start}'}"
                found = parse_index_entry(split_fields(paragraph.split("\n"), where), where)
            self._entries[start] = found
        return found

    def first_mention(self, name: str) -> tuple[int, int, int] | None:
        """Return the paragraph, the field in it and the word in that, at which a name is read first."""
        found = [
            (self.paragraph(place), field, place)
            for field, names in ((0, self.names), (2, self.provided), (3, self.conditions))
            for place in names.places(name)[:1]
        ]
        place = self._first_needed(name, min(found)[2] if found else None)
        if place is not None:
            found.append((self.paragraph(place), 1, place))
        if not found:
            return None
        start, field, place = min(found)
        return start, field, [name_of(word) for word in self._line(place).split()].index(name)

    def _first_needed(self, name: str, last: int | None) -> int | None:
        """Return the first line, not behind the paragraph of the last that matters, that depends on a name."""
        text = self._text
        end = len(text) if last is None else self._end(last)
        start = text.find(name, 0, end)
        while start >= 0:
            line = text.rfind("\n", 0, start)
            if text.startswith("D:", line + 1) and name in map(name_of, self._line(line).split()):
                return line
            start = text.find(name, start + 1, end)
        return None


def provided_by(entry: IndexEntry) -> tuple[tuple[str, str | None], ...]:
    """Return the names that a package stands for beside its own, each with a version or ``None``.

    Like apk, this stops at a word with something behind its sign that is not a version.
    """
    found: list[tuple[str, str | None]] = []
    plain = _OTHER_SIGNS.search(" ".join(entry.provides)) is None
    # Mostly it is the same version for all of them.
    valid: str | None = None
    for word in entry.provides:
        name, sign, version = word.partition("=")
        if not plain or version.startswith("="):
            name = name_of(word)
            sign, version = word[len(name) :], _VERSION_MARK.sub("", word[len(name) :], count=1)
        if not sign:
            found.append((name, None))
        elif version == valid or versions.is_valid(version):
            valid = version
            found.append((name, version))
        else:
            break
    return tuple(found)


def _position(candidate: Candidate) -> tuple[int, int]:
    return candidate.position


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
        self._local_names = {package.entry.name for package in local}
        self._indexes = [_Index(source.text, source.where) for source in sources]
        self._named: dict[str, tuple[Candidate, ...]] = {}
        # In which versions the package at a position has or provides each of its names.
        self._versions: dict[tuple[int, int], dict[str, list[str | None]]] = {}
        self._providers: dict[str, tuple[tuple[Candidate, str | None], ...]] = {}
        # Packages that are in no text, by their own names and by those that they provide.
        self._others: dict[str, list[str]] = {}
        self._conditional: dict[str, list[str]] = {}
        self._installed_named: dict[str, list[tuple[int, InstalledPackage]]] = {}
        for number, package in enumerate(self._installed):
            self._installed_named.setdefault(package.entry.name, []).append((number, package))
        for entry in (*(package.entry for package in installed), *(package.entry for package in local)):
            for word in entry.provides:
                self._others.setdefault(name_of(word), []).append(entry.name)
            for word in entry.install_if:
                self._conditional.setdefault(name_of(word), []).append(entry.name)

        # Names that are conditions of some package's: of most there is nothing to be looked for.
        self.conditional_names = frozenset(self._conditional).union(
            *(index.conditions.first for index in self._indexes)
        )

    def named(self, name: str) -> tuple[Candidate, ...]:
        """Return all packages of a name: those installed, then in the order of the repositories.

        Raises:
            ApkError: An index does not describe one of them as it has to.
        """
        found = self._named.get(name)
        if found is None:
            found = self._named[name] = tuple(self._read(name)) if self._is_package(name) else ()
            for candidate in found:
                versions_by_name: dict[str, list[str | None]] = {candidate.name: [candidate.version]}
                for provided, version in candidate.provides:
                    versions_by_name.setdefault(provided, []).append(version)
                self._versions[candidate.position] = versions_by_name
        return found

    def _is_package(self, name: str) -> bool:
        """Tell whether there may be a package of a name, which of most that are provided there is not."""
        if name in self._installed_named or name in self._local_names:
            return True
        for index in self._indexes:  # noqa: SIM110 # any() takes thrice as long, and this is asked a thousand times
            if name in index.names.first:
                return True
        return False

    def _read(self, name: str) -> Iterator[Candidate]:
        installed = {package.entry.checksum: package for _, package in self._installed_named.get(name, ())}
        given = [(number, each) for number, each in enumerate(self.local) if each.entry.name == name]
        local = {each.entry.checksum: each for _, each in given}
        places: dict[str, list[int]] = {}
        first: dict[str, tuple[tuple[int, int], IndexEntry]] = {}
        for number, package in self._installed_named.get(name, ()):
            first.setdefault(package.entry.checksum, ((0, number), package.entry))
        for source, index in enumerate(self._indexes):
            for place in index.names.places(name):
                number = index.paragraph(place)
                entry = index.entry(number)
                if entry.name != name:
                    raise ApkError(f"{self.sources[source].where}: {name!r} is not a package's name")
                first.setdefault(entry.checksum, ((source + 1, number), entry))
                listed = places.setdefault(entry.checksum, [])
                if source not in listed:
                    listed.append(source)
        for number, each in given:
            first.setdefault(each.entry.checksum, ((len(self._indexes) + 1, number), each.entry))
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
            owners: dict[str, None] = {name: None}
            if name in self._others:
                owners.update(dict.fromkeys(self._others[name]))
            for index in self._indexes:
                if name in index.provided.first:
                    owners.update((index.owner(place), None) for place in index.provided.places(name))
            candidates = [candidate for owner in owners for candidate in self.named(owner)]
            if len(owners) > 1:
                candidates.sort(key=_position)
            found = tuple(
                [
                    (candidate, version)
                    for candidate in candidates
                    for version in self._versions[candidate.position].get(name, ())
                ]
            )
            self._providers[name] = found
        return found

    def wanted_with(self, name: str) -> tuple[Candidate, ...]:
        """Return the packages of which a name is one condition (``install_if``) for being installed."""
        owners = dict.fromkeys(self._conditional.get(name, ()))
        for index in self._indexes:
            for place in index.conditions.places(name):
                owners[index.owner(place)] = None
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
            found.update(dict.fromkeys(index.names.first))
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
