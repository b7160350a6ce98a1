"""Sides measured in turns: round by round, program by program, each round in the other order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.pythons.measures import take
from bench.pythons.record import Run, now, write_record
from bench.pythons.sides import FailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.pythons.measures import Measure
    from bench.pythons.record import Record
    from bench.pythons.sides import Side

_TRIES = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing to measure on one side in one round."""

    number: int
    measure: Measure
    side: Side


def turns(measures: Sequence[Measure], sides: Sequence[Side], rounds: int) -> Iterator[Turn]:
    """Yield what is measured, in order: A B in one round, B A in the next, so that no side always comes first."""
    for number in range(rounds):
        order = sides if number % 2 == 0 else sides[::-1]
        for measure in measures:
            for side in order:
                yield Turn(number, measure, side)


def measure_all(
    record: Record, measures: Sequence[Measure], sides: Sequence[Side], *, rounds: int, path: Path, scratch: Path,
    patience: float, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Measure what the record has not, and write it down at once.

    What fails is tried a second time; when it fails again it is noted, and not tried in other rounds.

    Args:
        record: The record; it is changed.
        measures: What is measured.
        sides: The sides.
        rounds: How many rounds there are to be in all.
        path: The record's file.
        scratch: A folder for what programs write.
        patience: Seconds that one may take.
        say: Takes a line about what is under way.
    """
    for turn in turns(measures, sides, rounds):
        key, side = turn.measure.key, turn.side.name
        if record.has(key, side, turn.number) or key in record.failures:
            continue
        say(f"round {turn.number + 1} of {rounds}: {key} on {side}")
        for attempt in range(1, _TRIES + 1):
            try:
                found = take(turn.measure, turn.side, scratch=scratch, patience=patience)
            except FailedError as fault:
                if attempt == _TRIES:
                    record.fail(key, side, str(fault))
                    say(f"{key} failed on {side}: {str(fault).splitlines()[-1]}")
            else:
                parts = {part: list(values) for part, values in found.parts.items()}
                record.add(key, side, Run(round=turn.number, date=now(), parts=parts, memory=found.memory))
                break
        write_record(record, path)
