"""Records to test with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.pythons.record import FORMAT, Facts, Record, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


DATE = "2026-11-25T00:00:00Z"


def facts(name: str, libc: str = "musl 1.2.6") -> Facts:
    return Facts(
        name=name, what=f"/{name}", version="3.14.7", build="3.14.7 (main)", libc=libc, machine="x86_64"
    )  # fmt: skip


def record(values: Mapping[str, Mapping[str, Sequence[float]]], memory: Mapping[str, int] | None = None) -> Record:
    """Return a record of the sides `base` and those named: by measure and side, a value for each round."""
    sides = ["base", *dict.fromkeys(side for by_side in values.values() for side in by_side if side != "base")]
    runs = {
        measure: {
            side: [
                Run(round=number, date=DATE, parts={"": [value, value * 2]}, memory=(memory or {}).get(side, 0))
                for number, value in enumerate(each)
            ]
            for side, each in by_side.items()
        }
        for measure, by_side in values.items()
    }  # fmt: skip
    return Record(
        format=FORMAT, date=DATE, processor="a <fast> one", cores=2, kernel="Linux 6",
        programs="1.14.0", dependencies="0" * 64, base="base", sides=[facts(side) for side in sides], runs=runs,
    )  # fmt: skip
