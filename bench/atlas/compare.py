"""What `bivy check` says of each package, and whether that is what happened."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from bench.atlas.record import FOLDER, Attempt, Outcome, normalise, read_names, read_record
from bivy.files import write_whole
from bivy.musl.report import Answer, Severity, Verdict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

VERDICTS = FOLDER / "verdicts.jsonl"
SECONDS = 300
WORKS_AS_IT_IS = (Verdict.SOURCE, Verdict.BUILT, Verdict.MUSLLINUX, Verdict.PURE)
"""The verdicts that say that nothing has to be compiled."""


class Distributed(msgspec.Struct, frozen=True, array_like=True):
    """What `check` said of one distribution: its version, the verdict, and why where that is in the way."""

    version: str
    verdict: Verdict
    why: str = ""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `check` said of one package and all that it requires.

    Attributes:
        name: The name that was asked about.
        version: The version that it chose.
        distributions: What it said of each, by normalised name.
        errors: Findings that say that something does not work.
        problems: What it could not find out.
    """

    name: str
    version: str = ""
    distributions: dict[str, Distributed] = msgspec.field(default_factory=dict)
    errors: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def in_the_way(self) -> dict[str, Verdict]:
        """The distributions that keep it from being installed without a compiler."""
        return {name: each.verdict for name, each in self.distributions.items() if each.verdict not in WORKS_AS_IT_IS}

    @property
    def answer(self) -> Answer:
        """The answer to whether it will run, as `bivy.musl.report.Report` gives it."""
        verdicts = self.in_the_way.values()
        if Verdict.IMPOSSIBLE in verdicts or self.errors:
            return Answer.NO
        if Verdict.UNKNOWN in verdicts or self.problems or not self.distributions:
            return Answer.UNKNOWN
        return Answer.COMPILE if verdicts else Answer.YES


def difference(attempt: Attempt, said: Said) -> str:
    """Return how what happened differs from what `check` said, in a sentence; empty where it does not.

    What is compared: whether it could be installed without a compiler; where not, whether `check` named the
    distribution that was in the way, and said that it cannot be had where nothing fits; and whether it could be
    imported. A module that fails to be imported for a reason that is neither musl's nor the image's is not what
    `check` answers.
    """
    if said.answer is Answer.UNKNOWN:
        return f"check could not find it out: {next(iter(said.problems), 'no verdict')}"
    ways = said.in_the_way
    if attempt.outcome is Outcome.INSTALLED:
        if ways:
            return f"check said that {_list(ways)} would be in the way, and it could be installed"
        if attempt.imports and said.errors:
            return f"check said that it would not work ({said.errors[0]}), and it could be imported"
        failed = next((each for each in attempt.unimported if each.cause.of_the_image), None)
        return "" if failed is None or said.errors else f"{failed.what} could not be imported: {failed.text}"
    if not ways:
        refused = attempt.culprit or attempt.name
        return f"check said that it could be installed, and {refused} was refused: {attempt.reason}"
    # Without a compiler nobody can tell whether what was not built could have been.
    expected = [Verdict.IMPOSSIBLE, *([Verdict.COMPILE] if attempt.outcome is Outcome.NOT_BUILT else [])]
    if attempt.culprit and ways.get(attempt.culprit) not in expected:
        return f"check said that {_list(ways)} would be in the way, and what was refused is {attempt.culprit}"
    return ""


def seen_verdicts(attempt: Attempt) -> dict[str, Verdict]:
    """Return the verdict that each distribution turned out to deserve, where the record shows it."""
    found = {}
    for name, file in attempt.files.items():
        if file.endswith(".whl"):
            found[name] = Verdict.PURE if file.endswith("-any.whl") else Verdict.MUSLLINUX
        elif attempt.outcome is Outcome.INSTALLED:
            found[name] = Verdict.SOURCE
    if attempt.outcome is Outcome.NOT_BUILT:
        found[attempt.culprit] = Verdict.COMPILE
    if attempt.outcome is Outcome.NOTHING_FITS:
        found[attempt.culprit] = Verdict.IMPOSSIBLE
    return found


def version_in(file: str) -> str:
    """Return the version in the name of a wheel or source archive; empty where there is none."""
    if file.endswith(".whl"):
        return file.split("-")[1]
    stem = file.removesuffix(".zip").removesuffix(".gz").removesuffix(".tar")
    return stem.rpartition("-")[2] if "-" in stem else ""


def by_distribution(attempts: Mapping[str, Attempt], verdicts: Mapping[str, Said]) -> tuple[int, int, dict[str, str]]:
    """Compare distribution by distribution, each once, where both chose the same version.

    Returns:
        How many agree, how many were compared, and for those that differ, how.
    """
    compared: dict[str, str] = {}
    for name, attempt in attempts.items():
        said = verdicts[name].distributions if name in verdicts else {}
        for each, seen in seen_verdicts(attempt).items():
            told = said.get(each)
            if told is None or (each in attempt.files and told.version != version_in(attempt.files[each])):
                continue
            verdict = Verdict.MUSLLINUX if told.verdict is Verdict.BUILT else told.verdict
            same = verdict is seen or {verdict, seen} <= {Verdict.SOURCE, Verdict.PURE}
            compared[f"{each} {told.version}"] = "" if same else f"{told.verdict}, and it turned out {seen}"
    different = {each: text for each, text in sorted(compared.items()) if text}
    return len(compared) - len(different), len(compared), different


def read_verdicts(path: Path) -> dict[str, Said]:
    """Return what `check` said, by name; nothing where that was not recorded."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return {said.name: said for said in (msgspec.json.decode(line, type=Said) for line in lines)}


def read_report(name: str, report: Mapping[str, Any]) -> Said:
    """Return what is compared of a report of ``bivy check --json`` (the schema `bivy.check/1`), for one target."""
    distributions = {
        normalise(each["name"]): Distributed(
            each["version"] or "",
            Verdict(each["verdict"]),
            "" if each["verdict"] in WORKS_AS_IT_IS else each["why"],
        )
        for each in report["distributions"]
    }
    asked = distributions.get(name)
    return Said(
        name,
        asked.version if asked else "",
        dict(sorted(distributions.items())),
        tuple(each["message"] for each in report["findings"] if each["severity"] == Severity.ERROR),
        tuple(f"{each['subject']}: {each['message']}" for each in report["problems"]),
    )


def ask(name: str) -> Said:
    """Return what `bivy check` says of a package."""
    words = [sys.executable, "-m", "bivy", "check", name, "--json"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Said(name, problems=(f"no answer within {SECONDS} s",))
    if done.returncode not in (0, 1) or not done.stdout:
        return Said(name, problems=(" ".join(done.stderr.split())[-300:],))
    return read_report(name, json.loads(done.stdout))


def compare(told: argparse.Namespace) -> None:
    """Ask `bivy check`, record what it says, and print where what happened is otherwise."""
    _, attempts = read_record(told.record)
    wanted = [name for name in told.only or read_names(told.names) if name in attempts]
    verdicts = read_verdicts(told.verdicts)
    if not told.recorded:
        with ThreadPoolExecutor(told.jobs) as pool:
            verdicts |= {said.name: said for said in pool.map(ask, wanted)}
        lines = (msgspec.json.encode(verdicts[name], order="sorted") + b"\n" for name in sorted(verdicts))
        write_whole(told.verdicts, b"".join(lines))
    compared = {name: attempts[name] for name in wanted if name in verdicts}
    different = dict(differences(compared, verdicts))
    for name, text in different.items():
        print(f"{name} {compared[name].version}: {text}")
    alike, total, others = by_distribution(compared, verdicts)
    for each, text in others.items():
        print(f"  {each}: {text}")
    share = 100 * (len(compared) - len(different)) / max(1, len(compared))
    print(f"packages: {len(compared) - len(different)} of {len(compared)} agree, {share:.1f} %")
    print(f"distributions, where both chose the same version: {alike} of {total} agree")


def differences(attempts: Mapping[str, Attempt], verdicts: Mapping[str, Said]) -> Iterator[tuple[str, str]]:
    """Yield the packages of which `check` said something else than happened, with how it differs."""
    for name, attempt in attempts.items():
        if name in verdicts and (text := difference(attempt, verdicts[name])):
            yield name, text


def _list(ways: Iterable[str]) -> str:
    names = list(ways)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
