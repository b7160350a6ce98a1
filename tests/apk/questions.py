"""Questions for a solver, asked of bivy's and of genuine apk, and their answers in short."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.apk.database import InstalledPackage, format_installed
from bivy.apk.dependency import parse_dependency
from bivy.apk.index import IndexEntry, format_index_entry
from bivy.apk.solve import requests
from bivy.apk.solve.explain import UnsolvableError
from bivy.apk.solve.solver import Solution, solve
from bivy.apk.solve.universe import Source, Universe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SAME = "same"
_SIGNS = {
    "Installing": "+",
    "Purging": "-",
    "Upgrading": "^",
    "Downgrading": "v",
    "Replacing": "=",
    "Reinstalling": "*",
    "Updating pinning": "@",
}
_LINE = re.compile(
    r"^\(\d+/\d+\) ((?:\[APK unavailable, skipped\] )?[A-Z][a-z]+(?: pinning)?) (\S+) \((.*)\)$", re.MULTILINE
)


@dataclass(frozen=True)
class Question:
    """A command in a root.

    Attributes:
        argv: The command, in words of apk's.
        world: The world before it.
        installed: What is installed before it, as ``name-version`` or ``name-version@tag``, in order; where it has
            no version, it is what the last repository has.
        answer: What genuine apk 2.14.10 does then, in short; ``None`` where it says that it cannot.
        older: What genuine apk 2.14.4 does, where that is something else.
        seed: What the scenario was made of.
    """

    argv: str
    world: str = ""
    installed: str = ""
    answer: str | None = None
    older: str | None = SAME
    seed: int = 0


@dataclass(frozen=True)
class Scenario:
    """Repositories, and packages that once were in them.

    Attributes:
        repositories: Each repository's tag and packages.
        past: Packages that are in none any longer.
    """

    repositories: Sequence[tuple[str, Sequence[IndexEntry]]]
    past: Sequence[IndexEntry] = ()
    texts: list[str] = field(default_factory=list)

    def text_of(self, number: int) -> str:
        if not self.texts:
            self.texts.extend(
                "\n".join(format_index_entry(entry) for entry in entries) for _, entries in self.repositories
            )
        return self.texts[number]

    def sources(self) -> list[Source]:
        return [
            Source(self.text_of(number), tag, f"repository {number}")
            for number, (tag, _) in enumerate(self.repositories)
        ]

    def installed(self, words: str) -> list[InstalledPackage]:
        now = [entry for _, entries in self.repositories for entry in entries]
        pool = {entry.name: entry for entry in now}
        pool.update((f"{entry.name}-{entry.version}", entry) for entry in (*now, *self.past))
        found = []
        for word in words.split():
            name, _, tag = word.partition("@")
            found.append(InstalledPackage(pool[name], repository_tag=tag))
        return found


def request_of(universe: Universe, question: Question) -> requests.Request:
    """Turn a command into what the solver is asked."""
    command, *words = question.argv.split()
    options = {word.lstrip("-") for word in words if word.startswith("-")}
    names = [word for word in words if not word.startswith("-")]
    world = requests.parse_world(question.world)
    has = options.__contains__
    if command == "add":
        return requests.to_add(world, [parse_dependency(word) for word in names], upgrade=has("u"), latest=has("l"))
    if command == "del":
        return requests.to_delete(universe, world, names, recursive=has("r"))
    if command == "upgrade":
        return requests.to_upgrade(world, names, available=has("a"), latest=has("l"), ignore=has("ignore"))
    assert command == "fix"
    return requests.to_fix(world, names, reinstall=has("r"), upgrade=has("u"), depends=has("d"))


def shorten(lines: Iterable[str]) -> str:
    """Shorten what apk says that it does: ``Installing bash (5.2-r0)`` is ``+bash=5.2-r0``."""
    words = []
    for line in lines:
        match = re.fullmatch(r"(.*) (\S+) \((?:\S+ -> )?(\S+)\)", line)
        assert match is not None, line
        verb, name, version = match.groups()
        words.append(f"{_SIGNS.get(verb, '!')}{name}={version}")
    return " ".join(words)


def ask(universe: Universe, question: Question) -> Solution | None:
    """Ask bivy's solver; ``None`` where there is no answer."""
    try:
        return solve(universe, *request_of(universe, question))
    except UnsolvableError:
        return None


def bivy_answer(scenario: Scenario, question: Question) -> str | None:
    universe = Universe(scenario.sources(), scenario.installed(question.installed))
    found = ask(universe, question)
    return None if found is None else shorten(map(str, found.changes))


_SCRIPT = r"""
cd /mnt/cases
for root in *; do
    timeout 20 apk --root /mnt/cases/$root --no-network --no-cache --allow-untrusted \
        --repositories-file /mnt/repositories $(cat $root/argv) > $root/said 2>&1 < /dev/null
    echo "exit $?" >> $root/said
done
"""


def genuine_answers(
    bubblewrap: Sequence[str], mount: Path, scenario: Scenario, questions: Sequence[Question]
) -> list[Question]:
    """Ask genuine apk; what it refuses for another reason than that there is no answer is left out.

    Args:
        bubblewrap: What runs a command in a genuine root, with `mount` as ``/mnt``.
        mount: An empty folder.
        scenario: What there is.
        questions: What to ask.
    """
    from bivy.apk.index import write_index

    places = []
    for number, (tag, entries) in enumerate(scenario.repositories):
        folder = mount / f"repository{number}" / "x86_64"
        folder.mkdir(parents=True)
        (folder / "APKINDEX.tar.gz").write_bytes(
            _unsorted_index(scenario.text_of(number), write_index(entries[:1], "x"))
        )
        places.append(f"@{tag} /mnt/repository{number}" if tag else f"/mnt/repository{number}")
    (mount / "repositories").write_text("\n".join(places) + "\n")
    (mount / "ask").write_text(_SCRIPT)
    for number, question in enumerate(questions):
        root = mount / "cases" / f"{number:05}"
        for path in ("etc/apk", "lib/apk/db", "var/cache/apk"):
            (root / path).mkdir(parents=True)
        (root / "etc/apk/world").write_text("\n".join(question.world.split()) + "\n")
        packages = scenario.installed(question.installed)
        text = "".join(format_installed([package]) for package in packages)
        (root / "lib/apk/db/installed").write_text(text)
        (root / "argv").write_text(f"{question.argv} --simulate")
    subprocess.run([*bubblewrap, "sh", "/mnt/ask"], check=True, timeout=1200)
    answered = []
    for number, question in enumerate(questions):
        said = (mount / "cases" / f"{number:05}" / "said").read_text()
        if said.endswith("exit 0\n"):
            lines = [f"{verb} {name} ({version})" for verb, name, version in _LINE.findall(said)]
            answered.append(replace(question, answer=shorten(lines)))
        elif "unable to select packages" in said:
            answered.append(replace(question, answer=None))
        else:
            print("left out:", question, said)  # noqa: T201
    return answered


def _unsorted_index(text: str, like: bytes) -> bytes:
    """Return an index file with a text as it is: in an order of its own."""
    from bivy.apk import segments, tar
    from bivy.apk.entry import Entry, Kind

    assert like
    entry = Entry("APKINDEX", Kind.FILE, 0o644, content=text.encode())
    return segments.compress(tar.write_members([entry]) + tar.end_of_archive())


def _row(question: Question) -> list[object]:
    known = [question.seed, question.argv, question.world, question.installed, question.answer]
    return known if question.older == SAME else [*known, question.older]


def write_sample(path: Path, questions: Sequence[Question]) -> None:
    rows = [json.dumps(_row(each)) for each in questions]
    path.write_text("[\n" + ",\n".join(rows) + "\n]\n")


def read_sample(path: Path) -> list[Question]:
    return [replace(Question(*fields), seed=seed) for seed, *fields in json.loads(path.read_text())]
