"""How many of the solver's answers equal genuine apk's, and how long they take: ``python -m bench.solver``.

A sample is questions (what is installed, which command) with the answers that genuine apk gave. Without an index it is
of made-up universes. With ``--record`` a sample is drawn and genuine apk asked, which is run from the unpacked root
filesystem that ``BIVY_GENUINE_APK_ROOT`` names.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.apk import questions as asking
from tests.apk.real import real_questions, real_scenario
from tests.apk.synthetic import PER_SCENARIO, make_questions, make_scenario

from bivy.apk.solve.universe import Universe
from bivy.sandbox import find_bubblewrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DATA = Path(__file__).parents[1] / "tests" / "apk" / "solve" / "data"
_Group = tuple[asking.Scenario, list[asking.Question]]


def _bubblewrap(mount: Path, path: str) -> list[str]:
    root, program = os.environ.get("BIVY_GENUINE_APK_ROOT"), find_bubblewrap()
    if root is None or program is None:
        sys.exit("asking genuine apk needs bubblewrap, and BIVY_GENUINE_APK_ROOT to name an unpacked root filesystem")
    return [str(program), "--ro-bind", root, "/", "--bind", str(mount), "/mnt", "--proc", "/proc", "--dev", "/dev",
            "--uid", "0", "--gid", "0", "--cap-add", "ALL", "--setenv", "PATH", path]  # fmt: skip


def _answers(scenario: asking.Scenario, asked: Sequence[asking.Question], path: str) -> list[asking.Question]:
    with tempfile.TemporaryDirectory() as folder:
        return asking.genuine_answers(_bubblewrap(Path(folder), path), Path(folder), scenario, asked)


def _draw(told: argparse.Namespace) -> Iterator[_Group]:
    if told.index:
        scenario = real_scenario(told.index)
        yield scenario, real_questions(scenario, told.seed, told.worlds)
        return
    for seed in range(told.seed, told.seed + told.worlds // PER_SCENARIO):
        scenario = make_scenario(seed)
        yield scenario, make_questions(seed, scenario, PER_SCENARIO)


def _read(told: argparse.Namespace) -> Iterator[_Group]:
    sample = asking.read_sample(told.sample)
    if told.index:
        yield real_scenario(told.index), sample
        return
    for seed in dict.fromkeys(each.seed for each in sample):
        yield make_scenario(seed), [each for each in sample if each.seed == seed]


def _record(told: argparse.Namespace) -> None:
    """Ask genuine apk; with ``--older``, note only where the answer is another than the one that there is."""
    recorded: list[asking.Question] = []
    for scenario, asked in _read(told) if told.older else _draw(told):
        answered = _answers(scenario, asked, told.path)
        if not told.older:
            recorded += answered
            continue
        said = {(each.seed, each.argv, each.world, each.installed): each.answer for each in answered}
        for each in asked:
            older = said.get((each.seed, each.argv, each.world, each.installed), each.answer)
            recorded.append(replace(each, older=asking.SAME if older == each.answer else older))
    asking.write_sample(told.sample, recorded)


def _compare(told: argparse.Namespace) -> None:
    times: list[float] = []
    alike = total = nothing = older = 0
    for scenario, asked in _read(told):
        for question in asked:
            sources, installed = scenario.sources(), scenario.installed(question.installed)
            start = time.perf_counter()
            found = asking.ask(Universe(sources, installed), question)
            times.append(time.perf_counter() - start)
            answer = None if found is None else asking.shorten(map(str, found.changes))
            total += 1
            alike += answer == question.answer
            nothing += question.answer is None
            older += question.older != asking.SAME
            if answer != question.answer:
                print(f"apk {question.argv}, world {question.world!r}: {answer}, not {question.answer}")
    times.sort()
    print(f"{alike} of {total} answers equal apk 2.14.10's; {nothing} are that there is none")
    print(f"{older} of apk 2.14.4's are others than 2.14.10's")
    middle, most = times[len(times) // 2] * 1000, times[-1] * 1000
    print(f"an answer takes {middle:.0f} ms, at most {most:.0f} ms, reading the index included ({platform.machine()})")


def main() -> None:
    """Ask, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, help="an APKINDEX.tar.gz; made-up universes without")
    parser.add_argument(
        "--sample", type=Path, help="the file with the sample; one of those in tests/apk/solve/data without"
    )
    parser.add_argument("--record", action="store_true", help="ask genuine apk, and write the sample")
    parser.add_argument("--older", action="store_true", help="with --record: ask again, of the version before")
    parser.add_argument("--path", default="/sbin:/usr/sbin:/bin:/usr/bin", help="where apk is in the genuine root")
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    told.sample = told.sample or DATA / ("answers-3.16.json" if told.index else "answers-synthetic.json")
    if told.record:
        _record(told)
    _compare(told)


if __name__ == "__main__":
    main()
