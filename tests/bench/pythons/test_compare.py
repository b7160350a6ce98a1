"""Sides take turns, what was measured is kept at once, and a run goes on where it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from bench.pythons.__main__ import main
from bench.pythons.compare import measure_all, turns
from bench.pythons.measures import Measure, measures_of, take
from bench.pythons.record import new_record, read_record
from bench.pythons.sides import Asked, Side, opened_side

from tests.bench.pythons.test_sides import needs_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = needs_sandbox


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[list[Side]]:
    with opened_side(Asked("a", "system"), layout=tmp_path, cache=tmp_path) as first:
        yield [first, Side(first.root, first.python, msgspec.structs.replace(first.facts, name="b"))]


def start(name: str, code: str = "pass") -> Measure:
    return Measure("start", name, ["1", code], alone=True)


def measured(
    path: Path, sides: list[Side], measures: list[Measure], rounds: int, say: Callable[[str], None] = lambda _: None
) -> list[str]:
    said: list[str] = []

    def listen(line: str) -> None:
        said.append(line)
        say(line)

    record = (
        read_record(path)
        if path.exists()
        else new_record([side.facts for side in sides], "a", programs="", dependencies="")
    )
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    measure_all(record, measures, sides, rounds=rounds, path=path, scratch=scratch, patience=60, say=listen)
    return said


def test_each_round_is_in_the_other_order(sides: list[Side]) -> None:
    order = [(turn.number, turn.measure.name, turn.side.name) for turn in turns([start("x"), start("y")], sides, 2)]
    assert order == [
        (0, "x", "a"), (0, "x", "b"), (0, "y", "a"), (0, "y", "b"),
        (1, "x", "b"), (1, "x", "a"), (1, "y", "b"), (1, "y", "a"),
    ]  # fmt: skip


def test_every_value_is_kept(tmp_path: Path, sides: list[Side]) -> None:
    measured(tmp_path / "record.json", sides, [start("x")], 2)
    record = read_record(tmp_path / "record.json")
    assert {side: [run.round for run in runs] for side, runs in record.runs["start/x"].items()} == {
        "a": [0, 1],
        "b": [1, 0],
    } | {"b": [0, 1]}
    assert all(value > 0 for runs in record.runs["start/x"].values() for run in runs for value in run.parts[""])


def test_an_interrupted_run_goes_on_where_it_ended(tmp_path: Path, sides: list[Side]) -> None:
    path = tmp_path / "record.json"

    def interrupt(line: str) -> None:
        if "start/y on a" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(path, sides, [start("x"), start("y")], 1, interrupt)
    assert set(read_record(path).runs) == {"start/x"}
    before = read_record(path).runs["start/x"]
    said = measured(path, sides, [start("x"), start("y")], 1)
    assert said == ["round 1 of 1: start/y on a", "round 1 of 1: start/y on b"]
    assert read_record(path).runs["start/x"] == before


def test_what_fails_is_tried_twice_and_then_left_alone(tmp_path: Path, sides: list[Side]) -> None:
    path = tmp_path / "record.json"
    said = measured(path, sides, [start("bad", "raise OSError('so it is')"), start("good")], 2)
    record = read_record(path)
    assert "OSError: so it is" in record.failures["start/bad"]["a"]
    assert "start/bad" not in record.runs
    assert len([line for line in said if line.startswith("round") and "start/bad" in line]) == 1
    assert len(record.runs["start/good"]["a"]) == 2


def test_threads_say_how_long_they_took_and_what_memory(tmp_path: Path, sides: list[Side]) -> None:
    (two, _) = measures_of(["threads"], [])
    found = take(Measure("threads", "2", [two.words[0], "2", "1", "1"]), sides[0], scratch=tmp_path, patience=60)
    assert len(found.parts[""]) == 1
    assert found.memory > 1 << 20


def test_imports_without_bytecode_find_none(tmp_path: Path, sides: list[Side]) -> None:
    (measure,) = (each for each in measures_of(["start"], []) if each.environment)
    code = (
        "import json, os, sys; assert not os.path.exists(json.__cached__) and sys.dont_write_bytecode, json.__cached__"
    )
    found = take(
        Measure("start", "x", ["1", code], environment=measure.environment), sides[0], scratch=tmp_path, patience=60
    )
    assert found.parts[""]


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_the_command_compares_goes_on_and_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIVY_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "values.json"
    words = ["--side", "a=system", "--side", "b=system", "--only", "start", "--json", str(path)]
    status, out, err = command(capsys, *words, "--rounds", "1")
    assert status == 0, err
    assert "a (the base): system: Python 3." in out
    assert "pass" in out
    status, _, err = command(capsys, *words, "--rounds", "1")
    assert (status, "is there already" in err, "--continue" in err) == (2, True, True)
    status, out, err = command(capsys, *words, "--rounds", "1", "--continue", "--against", "b")
    assert (status, "round" in err, "b (the base)" in out) == (0, False, True)
    assert command(capsys, "show", str(path))[1] == out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--side", "a=system"], "two sides"),
        (["--side", "a=system", "--side", "a=system"], "two sides are called 'a'"),
        (["--side", "a=system", "--side", "b=system", "--against", "c"], "no side 'c'"),
        (["--side", "a=system", "--side", "b=system", "--env", "c:A=b"], "no such side"),
        (["--side", "a=system", "--side", "b=system", "--rounds", "0"], "one round"),
        (["show", "/no/such/file"], "No such file"),
    ],
)
def test_a_wrong_question_is_answered_without_measuring(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = command(capsys, *words)
    assert status in (1, 2)
    assert message in err
    assert not out
