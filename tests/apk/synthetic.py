"""Universes made up from a number, with all that makes a solver's life hard, and questions about them."""

from __future__ import annotations

import base64
import hashlib
import random
from dataclasses import replace

from bivy.apk.index import IndexEntry
from bivy.apk.solve.explain import UnsolvableError
from bivy.apk.solve.requests import parse_world
from bivy.apk.solve.solver import solve
from bivy.apk.solve.universe import Source, Universe
from tests.apk.questions import Question, Scenario

PER_SCENARIO = 20
_STEMS = ("busy", "lua", "perl", "zlib", "mesa", "py", "x", "Qt", "gtk", "ssl")
_ENDS = ("", "-libs", "-doc", "-dev", "5.1", "+", "_x")
_VERSIONS = ("1.0-r0", "1.0-r1", "1.2_rc1-r0", "1.2-r0", "2.0-r0", "2.0.1-r3")


def _checksum(*parts: object) -> str:
    return "Q1" + base64.b64encode(hashlib.sha1(repr(parts).encode(), usedforsecurity=False).digest()).decode()


class _Maker:
    """A source of packages that depend on each other at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        every = [stem + end for stem in _STEMS for end in _ENDS]
        self.names = self.random.sample(every, self.random.randint(8, 40))
        self.virtual = [f"virtual-{number}" for number in range(self.random.randint(1, 4))]
        self.virtual += [f"so:lib{number}.so.1" for number in range(self.random.randint(1, 8))] + ["/bin/sh"]

    def may(self, share: float) -> bool:
        return self.random.random() < share

    def constraint(self) -> str:
        version = self.random.choice((*_VERSIONS, "1", "1.2", "2"))
        return self.random.choice(("=", "<", ">", "<=", ">=", "~", ">=", ">=")) + version

    def need(self) -> str:
        if self.may(0.25):
            word = self.random.choice(self.virtual)
            return word + (self.constraint() if self.may(0.1) else "")
        word = self.random.choice(self.names)
        return ("!" if self.may(0.06) else "") + word + (self.constraint() if self.may(0.15) else "")

    def provided(self, version: str) -> str:
        if self.may(0.1):
            return self.random.choice(self.names) + (f"={version}" if self.may(0.7) else "")
        word = self.random.choice(self.virtual)
        with_version = word.startswith("so:") != self.may(0.1)
        return f"{word}={version}" if with_version else word

    def package(self, name: str, version: str, where: int) -> IndexEntry:
        provides = [self.provided(version) for _ in range(self.random.choice((0, 0, 1, 1, 2)))]
        conditions = []
        if self.may(0.15):
            other = self.random.choice(self.names)
            conditions = [other + (f"={version}" if self.may(0.3) else ""), self.random.choice(self.names)]
            conditions = conditions[: self.random.randint(1, 2)]
            conditions += [f"!{self.random.choice(self.names)}"] if self.may(0.1) else []
        return IndexEntry(
            checksum=_checksum(name, version, where),
            name=name,
            version=version,
            arch="x86_64",
            size=1000,
            installed_size=4096 * (not self.may(0.03)),
            provider_priority=self.random.choice((0, 0, 0, 5, 10)) if provides else 0,
            depends=tuple(dict.fromkeys(self.need() for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))))),
            provides=tuple(dict.fromkeys(provides)),
            install_if=tuple(dict.fromkeys(conditions)),
        )

    def repository(self, where: int, share: float) -> list[IndexEntry]:
        found = []
        for name in self.names:
            if self.may(share):
                versions = self.random.sample(_VERSIONS, 2 if self.may(0.2) else 1)
                found += [self.package(name, version, where) for version in versions]
        return found


def make_scenario(seed: int) -> Scenario:
    """Return repositories, tagged and not, some with the same packages, and what once was in them."""
    make = _Maker(seed)
    first = make.repository(1, 0.9)
    repositories = [("", first)]
    if make.may(0.5):
        repositories.append(("", make.repository(2, 0.4) + make.random.sample(first, len(first) // 4)))
    if make.may(0.5):
        repositories.append(("edge", make.repository(3, 0.5) + make.random.sample(first, len(first) // 4)))
    if make.may(0.2):
        repositories.append(("testing", make.repository(4, 0.3)))
    if make.may(0.3):
        make.random.shuffle(repositories)
    past = [
        entry
        for entry in make.repository(5, 0.6)
        if all(entry.version != other.version or entry.name != other.name for _, each in repositories for other in each)
    ]
    return _with_versions_once(Scenario(repositories, past))


def _with_versions_once(scenario: Scenario) -> Scenario:
    """Let a name and a version mean one package, so that questions can say what is installed by them."""
    known: dict[tuple[str, str], IndexEntry] = {}
    repositories = [
        (
            tag,
            list({entry.checksum: known.setdefault((entry.name, entry.version), entry) for entry in entries}.values()),
        )
        for tag, entries in scenario.repositories
    ]
    repositories = [(tag, list(dict.fromkeys(entries))) for tag, entries in repositories]
    return replace(scenario, repositories=repositories, texts=[])


def _world(make: _Maker, tags: list[str], most: int) -> list[str]:
    words = []
    for _ in range(make.random.randint(1, most)):
        word = make.random.choice(make.names) if make.may(0.9) else make.random.choice(make.virtual)
        sign = "!" if make.may(0.04) else ""
        tag = f"@{make.random.choice(tags)}" if tags and make.may(0.25) and not sign else ""
        words.append(f"{sign}{word}{tag}" + (make.constraint() if make.may(0.1) else ""))
    return words


def _state(make: _Maker, scenario: Scenario, tags: list[str]) -> tuple[str, str]:
    """Return a world and what is installed for it, from now and from the past."""
    past = "\n".join(Scenario([("", scenario.past)]).text_of(0).split("\n"))
    sources = [*scenario.sources(), Source(past, "", "the past")]
    if make.may(0.6):
        sources.reverse()
    for _ in range(20):
        words = _world(make, tags, 6)
        world = {each.name: each for each in parse_world(" ".join(words))}.values()
        try:
            found = solve(Universe(sources), list(world))
        except UnsolvableError:
            continue
        tags_of = {change.new: change.tag for change in found.changes}
        installed = sorted(found.packages, key=lambda each: (each.name.lower(), each.name))
        listed = (f"{each}@{tags_of[each]}" if tags_of[each] else f"{each}" for each in installed)
        return " ".join(map(str, world)), " ".join(listed)
    return "", ""


def make_questions(seed: int, scenario: Scenario, number: int) -> list[Question]:
    """Return questions about a scenario."""
    make = _Maker(seed)
    make.random.seed(f"questions {seed}")
    tags = [tag for tag, _ in scenario.repositories if tag]
    found = []
    for _ in range(number):
        world, installed = _state(make, scenario, tags) if make.may(0.65) else ("", "")
        names = [word.split("-1.")[0].split("-2.")[0] for word in installed.split()]
        command = make.random.choice(("add", "add", "add", "del", "upgrade", "fix")) if names else "add"
        words: list[str] = []
        if command == "add":
            words = [make.random.choice(("", "", "", "", "-u", "-l")), *_world(make, tags, 4)]
        elif command == "del":
            words = ["-r"] * make.may(0.3) + make.random.sample(names, make.random.randint(1, min(3, len(names))))
        elif command == "upgrade":
            words = [make.random.choice(("", "", "-a", "-l", "-a -l"))]
            words += make.random.sample(names, 1) if make.may(0.3) else []
            words += ["--ignore"] if len(words) == 2 and make.may(0.3) else []
        else:
            words = [make.random.choice(("", "-r", "-u", "-d", "-d -u")), *make.random.sample(names, 1)]
        found.append(Question(" ".join([command, *(word for word in words if word)]), world, installed, seed=seed))
    return found
