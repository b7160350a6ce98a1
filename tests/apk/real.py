"""A genuine index as a scenario, and questions drawn from it."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from bivy.apk.index import read_index
from bivy.apk.package import format_checksum
from bivy.apk.solve.requests import parse_world
from bivy.apk.solve.universe import Universe
from tests.apk.questions import Question, Scenario, ask

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.apk.index import IndexEntry

OLD = "0.0.1-r0"


def _older(entry: IndexEntry) -> IndexEntry:
    """Return what a package may have been once."""
    digest = hashlib.sha1(entry.checksum.encode(), usedforsecurity=False).digest()
    return replace(entry, version=OLD, checksum=format_checksum(digest))


def real_scenario(index: Path) -> Scenario:
    """Return the scenario of one repository, of which every package was older once."""
    entries = read_index(index.read_bytes(), None)
    return Scenario([("", entries)], [_older(entry) for entry in entries])


def _state(universe: Universe, draw: random.Random, names: list[str]) -> tuple[str, str]:
    while True:
        words = ["alpine-base", *draw.sample(names, draw.randint(1, 4))]
        found = ask(universe, Question("add " + " ".join(words)))
        if found is None or len(found.packages) > 60:
            continue
        installed = sorted(each.name for each in found.packages)
        share = draw.choice((0, 0.2, 1))
        return " ".join(words), " ".join(f"{name}-{OLD}" if draw.random() < share else name for name in installed)


def _command(draw: random.Random, names: list[str], installed: list[str]) -> str:
    command = draw.choice(("add", "del", "upgrade", "fix"))
    if command == "add":
        return " ".join(["add", *(["-u"] * (draw.random() < 0.3)), *draw.sample(names, draw.randint(1, 4))])
    if command == "upgrade":
        return draw.choice(("upgrade", "upgrade -a", "upgrade -l", f"upgrade {draw.choice(installed)}"))
    options = draw.choice(("", "", "-r ")) if command == "del" else draw.choice(("", "-u ", "-r ", "-d -u "))
    return f"{command} {options}{' '.join(draw.sample(installed, draw.choice((1, 1, 2))))}"


def real_questions(scenario: Scenario, seed: int, number: int) -> list[Question]:
    """Draw worlds of one to six packages, some of them in a root where others are installed."""
    draw = random.Random(seed)
    names = [entry.name for entry in scenario.repositories[0][1]]
    universe = Universe(scenario.sources())
    found: list[Question] = []
    while len(found) < number:
        if len(found) % 4 == 3:
            world, installed = _state(universe, draw, names)
            bare = [word.removesuffix(f"-{OLD}") for word in installed.split()]
            assert parse_world(world)
            found.append(Question(_command(draw, names, bare), world, installed))
            continue
        # bash and many others need /bin/sh, which nothing provides unless it is asked for.
        base = draw.choice(([], ["busybox"], ["alpine-base"]))
        words = base + draw.sample(names, draw.randint(1, 6 - len(base)))
        found.append(Question("add " + " ".join(words)))
    return found
