"""What a solver works on: the names and packages that a world can reach, and what is known of each so far."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from bivy.apk import version as versions
from bivy.apk.dependency import Dependency, parse_dependency
from bivy.apk.errors import ApkError
from bivy.apk.solve.buckets import bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from bivy.apk.solve.universe import Candidate, Universe

# Bits of sets of tags and of repositories. Whatever has no tag is tagged with the first bit; repositories are counted
# from the second, since the first stands for files that are on this machine without one.
UNTAGGED = 1
ON_THIS_MACHINE = 1


class Prefer(enum.IntFlag):
    """What to prefer where there is a choice between packages.

    Attributes:
        UPGRADE: The newest version, also where another one is installed.
        AVAILABLE: What a repository has, also where that is older than what is installed.
        REINSTALL: To install again what is installed.
        LATEST: The newest version, even where it makes the world impossible.
        INSTALLED: What is installed.
        REMOVE: What is to go, to be gone.
    """

    NOTHING = 0
    UPGRADE = 1
    AVAILABLE = 2
    REINSTALL = 4
    LATEST = 8
    INSTALLED = 16
    REMOVE = 32


class Need(NamedTuple):
    """A dependency, with the name that it is about."""

    name: Name
    dependency: Dependency


class Provider(NamedTuple):
    """An option for a name, and the version in which it provides that; ``None`` without one."""

    option: Option
    version: str | None


class Name:
    """What is known of a name.

    Attributes:
        text: The name.
        providers: The packages that have or provide it; ``None`` until somebody asks.
        dependents: The names of which some package depends on it, each with whether apk reads one
            that does before all that was given as files; in no order that counts.
        wanted_with: The names of which some package is wanted where this is installed (``install_if``).
        seen: Whether the world can reach it.
        order: When it was reached; what was reached last is chosen first.
        requirers: How many ask for it.
        locked: Whether it is decided who provides it.
        chosen: Who provides it; ``None`` for nobody.
        conditional: Whether a package of this name is wanted because of what else is installed.
        never_conditional: Whether no package of it can be.
        selectable_alone: Whether one of its packages may be taken without being asked for by its own name.
        has_options: Whether there is a choice.
        dependents_done: Whether all that depend on it are decided.
        check_needs: Whether to look again at what its packages need.
        check_conditions: Whether to look again at what its packages are wanted with.
        asked: Whether a person named it.
    """

    __slots__ = (
        "asked", "check_conditions", "check_needs", "chosen", "conditional", "dependents", "dependents_done",
        "has_options", "locked", "never_conditional", "order", "providers", "requirers", "seen", "selectable_alone",
        "text", "wanted_with",
    )  # fmt: skip

    def __init__(self, text: str) -> None:
        self.text = text
        self.providers: tuple[Provider, ...] | None = None
        self.wanted_with: tuple[Name, ...] | None = None
        self.dependents: dict[Name, bool] = {}
        self.chosen: Provider | None = None
        self.order = self.requirers = 0
        self.seen = self.locked = self.conditional = self.never_conditional = self.selectable_alone = False
        self.has_options = self.dependents_done = self.check_needs = self.check_conditions = self.asked = False


class Option:
    """What is known of a package.

    Attributes:
        candidate: The package.
        name: Its own name.
        needs: What it depends on.
        provides: What else it stands for, each with a version or ``None``.
        conditions: With what it is wanted (``install_if``).
        is_condition: Those of its names, its own and what it provides, with which some package is wanted.
        not_reached: Goes over those of the names that it stands for that nobody has looked at yet.
        repositories: Where it can be from, as bits.
        seen: Whether the world can reach it.
        available: Whether its file can be had.
        possible: Whether nothing that is decided rules it out.
        allowed: Whether its repository may be used.
        preferred: Whether its repository is one of those that are to be used first.
        conflicts: How many dependencies it is against.
        tags: The tags that are allowed to it, as bits.
        prefer: What a person wants of it.
        prefer_below: What a person wants of all that it needs.
        merged: Whether it was among the last options of a name that was looked at.
        used: Whether it was so when something followed from these.
        triggered: Whether all that it is wanted with is there.
        never_triggered: Whether it cannot be.
        faulty: Whether it cannot be installed although it was chosen.
    """

    __slots__ = (
        "allowed", "available", "candidate", "conditions", "conflicts", "faulty", "is_condition", "merged", "name",
        "needs", "never_triggered", "not_reached", "possible", "prefer", "prefer_below", "preferred", "provides",
        "repositories", "seen", "tags", "triggered", "used",
    )  # fmt: skip

    def __init__(self, candidate: Candidate, name: Name, problem: Problem) -> None:
        self.candidate = candidate
        self.name = name
        entry = candidate.entry
        self.needs = tuple([problem.need(word, candidate) for word in entry.depends])
        self.provides = tuple([(problem.name(text), version) for text, version in candidate.provides])
        self.conditions = tuple([problem.need(word, candidate) for word in entry.install_if])
        names = problem.universe.conditional_names
        self.is_condition = (*((name,) if name.text in names else ()),
                             *[name for name, _ in self.provides if name.text in names])  # fmt: skip
        self.not_reached = iter(self.provides)
        self.repositories = problem.repositories_of(candidate)
        self.conflicts = self.prefer = self.prefer_below = self.tags = 0
        self.seen = self.available = self.possible = self.allowed = self.preferred = self.merged = self.used = False
        self.triggered = self.never_triggered = self.faulty = False


def meets(candidate: Candidate, version: str | None, dependency: Dependency) -> bool:
    """Tell whether a dependency is satisfied where a package stands for its name, in a version or without one."""
    if not dependency.operator:
        return not dependency.conflict
    if dependency.operator == "><":
        return dependency.version == candidate.entry.checksum
    if version is None:
        return dependency.conflict
    return versions.satisfies(version, dependency.operator, dependency.version) != dependency.conflict


def is_met(dependency: Dependency, provider: Provider | None) -> bool:
    """Tell whether a dependency is satisfied when its name is provided like that, or by nobody."""
    if provider is None:
        return dependency.conflict
    return meets(provider.option.candidate, provider.version, dependency)


def run(first: Generator[Generator | None, None, None]) -> None:  # type: ignore[type-arg] # of themselves
    """Run a function that yields the calls it wants to make of its like: however deep, it needs no stack."""
    waiting = [first]
    while waiting:
        called = next(waiting[-1], None)
        if called is None:
            waiting.pop()
        else:
            waiting.append(called)


class Problem:
    """The part of a universe that a world can reach.

    Args:
        universe: What there is.
        world: What is asked for.
        prefer: What to prefer everywhere.
        asked: What a person named, and what to prefer there.
        below: Whether that holds for all that these need, too.
    """

    def __init__(
        self, universe: Universe, world: Sequence[Dependency], prefer: int, asked: dict[str, int], *, below: bool
    ) -> None:
        self.universe = universe
        self.prefer = prefer
        self.names: dict[str, Name] = {}
        self.options: dict[int, Option] = {}
        self._needs: dict[str, Need] = {}
        self.world = tuple(Need(self.name(each.name), each) for each in world)
        self.tags = _tags(universe, world)
        self._available = ON_THIS_MACHINE
        for number, source in enumerate(universe.sources):
            self._available |= source.available << (number + 1)
        self.repositories_by_tag = [self._tagged(tag) for tag in self.tags]
        self._world_names = {each.name: number for number, each in enumerate(world) if each.name not in asked}
        self._count = 0
        for text, wanted in asked.items():
            name = self.name(text)
            name.asked = True
            for option, _ in self.providers(name):
                option.prefer |= wanted
                option.prefer_below |= wanted if below else 0

    def _tagged(self, tag: str) -> int:
        numbers = self.universe.repositories_tagged(tag)
        return sum(1 << (number + 1) for number in numbers)

    def name(self, text: str) -> Name:
        """Return what is known of a name."""
        found = self.names.get(text)
        if found is None:
            found = self.names[text] = Name(text)
        return found

    def need(self, word: str, candidate: Candidate) -> Need:
        """Read a dependency of a package.

        Raises:
            ApkError: It is not one.
        """
        found = self._needs.get(word)
        if found is None:
            try:
                dependency = parse_dependency(word)
            except ApkError as fault:
                raise ApkError(f"the dependencies of {candidate}: {fault}", hint=fault.hint) from None
            found = self._needs[word] = Need(self.name(dependency.name), dependency)
        return found

    def option(self, candidate: Candidate) -> Option:
        """Return what is known of a package."""
        found = self.options.get(id(candidate))
        if found is None:
            found = self.options[id(candidate)] = Option(candidate, self.name(candidate.name), self)
        return found

    def providers(self, name: Name) -> tuple[Provider, ...]:
        """Return the packages that have or provide a name, in the order in which they were read."""
        if name.providers is None:
            found = self.universe.providers(name.text)
            name.providers = tuple([Provider(self.option(candidate), version) for candidate, version in found])
        return name.providers

    def repositories_of(self, candidate: Candidate) -> int:
        """Return where a package is to be had, as bits."""
        found = ON_THIS_MACHINE if candidate.cached or candidate.local else 0
        for number in candidate.repositories:
            found |= 1 << (number + 1)
        return found

    def reachable_from(self, option: Option) -> int:
        """Return the repositories that a package counts as coming from; an installed one keeps its tag's."""
        installed = option.candidate.installed
        if installed is None:
            return option.repositories
        return option.repositories | self.repositories_by_tag[self.tags[installed.repository_tag]]

    def allowed_by(self, tags: int) -> int:
        """Return the repositories that have one of some tags."""
        found = 0
        for number, repositories in enumerate(self.repositories_by_tag):
            if tags >> number & 1:
                found |= repositories
        return found

    def tag_of(self, option: Option) -> str:
        """Return the tag that a package is installed under: the first allowed one of a repository that has it."""
        repositories = self.reachable_from(option)
        for tag, number in self.tags.items():
            if option.tags >> number & 1 and self.repositories_by_tag[number] & repositories:
                return tag
        return ""

    def is_available(self, option: Option) -> bool:
        """Tell whether a package's file can be had, now."""
        return bool(option.repositories & self._available)

    def discover(self, world: Sequence[Need]) -> None:
        """Find all names that a world can reach, and who depends on whom."""
        for name, _ in world:
            run(self._discover(name))

    def _discover(self, name: Name) -> Generator:  # type: ignore[type-arg] # see run
        if name.seen:
            return
        name.seen = True
        never_conditional = True
        providers = self.providers(name)
        for option, _ in providers:
            if not option.seen:
                self._look_at(option)
                for needed, _ in option.needs:
                    if not needed.seen:
                        yield self._discover(needed)
            self._add_dependent(name, option)
            never_conditional &= option.never_triggered
        name.never_conditional = never_conditional
        for option, _ in providers:
            for other in self.wanted_with(option.name):
                if not other.seen:
                    yield self._discover(other)
            # Another run of this, further down, may have taken some of them already.
            for provided, _ in option.not_reached:
                if not provided.seen:
                    yield self._discover(provided)
                    for other in self.wanted_with(provided):
                        if not other.seen:
                            yield self._discover(other)
        self._count += 1
        name.order = self._count

    def _add_dependent(self, name: Name, option: Option) -> None:
        if _is_given(option.candidate):
            for needed, _ in option.needs:
                needed.dependents.setdefault(name, False)
        else:
            for needed, _ in option.needs:
                needed.dependents[name] = True

    def _look_at(self, option: Option) -> None:
        candidate = option.candidate
        given = bool(candidate.local and candidate.local.path)
        empty = candidate.entry.installed_size == 0
        untagged = self.reachable_from(option) & self.repositories_by_tag[0]
        option.seen = True
        option.tags = UNTAGGED
        option.available = given or bool(option.repositories & self._available & ~ON_THIS_MACHINE)
        option.possible = self.is_available(option) or empty or candidate.installed is not None
        option.never_triggered = not option.conditions or (
            bool(self.prefer & Prefer.AVAILABLE) and not option.available
        )
        option.preferred = given or empty or bool(untagged)
        option.allowed = option.preferred or candidate.installed is not None

    def wanted_with(self, name: Name) -> tuple[Name, ...]:
        """Return the names of which some package is wanted where a name is installed, in the order of apk's table."""
        if name.wanted_with is None and name.text not in self.universe.conditional_names:
            name.wanted_with = ()
        elif name.wanted_with is None:
            found: dict[str, None] = {}
            given: dict[str, None] = {}
            for candidate in self.universe.wanted_with(name.text):
                texts = (candidate.name, *(text for text, _ in candidate.provides))
                (given if _is_given(candidate) else found).update(dict.fromkeys(texts))
            ordered = dict.fromkeys((*self.in_table_order(found), *given))
            name.wanted_with = tuple(self.name(text) for text in ordered)
        return name.wanted_with

    def in_table_order(self, texts: Iterable[str]) -> list[str]:
        """Sort names as apk goes through them: by bucket, in one bucket what was read last first."""
        by_bucket: dict[int, list[str]] = {}
        for text in texts:
            by_bucket.setdefault(bucket(text), []).append(text)
        ordered: list[str] = []
        for number in sorted(by_bucket):
            found = by_bucket[number]
            ordered += found if len(found) == 1 else sorted(found, key=self._first_mention, reverse=True)
        return ordered

    def _first_mention(self, text: str) -> tuple[int, ...]:
        if text in self._world_names:
            return -1, self._world_names[text]
        return self.universe.first_mention(text)

    def dependents_in_order(self, name: Name, which: Sequence[Name]) -> Iterable[Name]:
        """Sort some of a name's dependents as apk goes through them."""
        if len(which) < 2:
            return which
        # A name's place takes time to find, and of most names nobody asks for it.
        ordered = self.in_table_order(each.text for each in which if name.dependents[each])
        ordered += self.in_table_order(each.text for each in which if not name.dependents[each])
        return [self.names[text] for text in ordered]

    def dependents_of(
        self, texts: Iterable[str], counts: Callable[[Option], bool]
    ) -> dict[Name, list[tuple[Name, list[Option]]]]:
        """Return who depends on what: on each name, names with their packages that do, in the order of apk's table.

        Args:
            texts: The names that may depend on something, in that order.
            counts: Which of their packages count.
        """
        found: dict[Name, dict[Name, list[Option]]] = {}
        given: list[tuple[Name, Option]] = []
        for text in texts:
            name = self.name(text)
            for option, _ in self.providers(name):
                if not counts(option):
                    continue
                if _is_given(option.candidate):
                    given.append((name, option))
                    continue
                for needed, _ in option.needs:
                    found.setdefault(needed, {}).setdefault(name, []).append(option)
        for name, option in given:
            for needed, _ in option.needs:
                found.setdefault(needed, {}).setdefault(name, []).append(option)
        return {needed: list(dependents.items()) for needed, dependents in found.items()}


def _is_given(candidate: Candidate) -> bool:
    """Tell whether apk reads a package after all others, so that it stands behind them in its lists."""
    return candidate.local is not None and not candidate.repositories and candidate.installed is None


def _tags(universe: Universe, world: Sequence[Dependency]) -> dict[str, int]:
    """Number the tags in the order in which apk meets them."""
    found = {"": 0}
    for tag in (
        *(each.tag for each in world),
        *(each.installed.repository_tag for each in universe.installed() if each.installed),
        *(source.tag for source in universe.sources),
    ):
        found.setdefault(tag, len(found))
    return found
