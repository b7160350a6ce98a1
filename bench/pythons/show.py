"""What was measured, as a person reads it: tables of ratios with their spread."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from bench.pythons.measures import IMPORTS_COMPILED, KINDS
from bench.pythons.ratios import compare, geometric_mean, mean_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.pythons.ratios import Ratio
    from bench.pythons.record import Facts, Record

_TITLES = {
    "programs": "pyperformance's programs",
    "start": "start-up of a fresh container",
    "framework": "import of a framework",
    "threads": "threads that allocate (throughput)",
}


def ratios(record: Record, kind: str, side: str) -> dict[str, Ratio]:
    """Return the ratios of times of a side, by name; what failed anywhere is left out.

    Args:
        record: What was measured.
        kind: One of `KINDS`.
        side: The side's name.
    """
    found = {}
    for key in record.runs:
        if key.startswith(f"{kind}/") and key not in record.failures:
            ratio = compare(record.rounds(key, record.base), record.rounds(key, side))
            if ratio is not None:
                found[key.partition("/")[2]] = ratio
    return found


def memory_ratios(record: Record, side: str) -> dict[str, Ratio]:
    """Return the ratios of memory that programs took: above 1 where the side took less."""
    found = {}
    for key in record.runs:
        if key.startswith("programs/") and key not in record.failures:
            ratio = compare(record.memory(key, record.base), record.memory(key, side))
            if ratio is not None:
                found[key.partition("/")[2]] = ratio
    return found


def report(record: Record) -> str:
    """Return all tables of a record, as text."""
    return "\n".join(_lines(record))


def _lines(record: Record) -> Iterator[str]:
    yield f"{record.date[:10]}, {record.processor}, {record.cores} cores, {record.kernel}"
    for facts in record.sides:
        yield from _about(facts, base=facts.name == record.base)
    for kind in KINDS:
        yield from _table(record, kind)
    yield from _memory(record)
    yield from _bytecode(record)
    for key, sides in record.failures.items():
        for side, lines in sides.items():
            yield ""
            yield f"{key} failed on {side}, and is left out:"
            yield from (f"    {line}" for line in lines.splitlines())


def _about(facts: Facts, *, base: bool) -> Iterator[str]:
    name = f"{facts.name} (the base)" if base else facts.name
    yield f"{name}: {facts.what}: Python {facts.build}, {facts.libc}, {facts.machine}"
    if facts.digest:
        yield f"    {facts.digest}"
    for what, pairs in (("with", facts.environment), ("of", facts.packages)):
        if pairs:
            equals = "=" if what == "with" else " "
            text = f"{what} {', '.join(f'{name}{equals}{value}' for name, value in pairs.items())}"
            yield from textwrap.wrap(
                text,
                110,
                initial_indent="    ",
                subsequent_indent="    ",
                break_on_hyphens=False,
                break_long_words=False,
            )


def _table(record: Record, kind: str) -> Iterator[str]:
    by_side = {side: found for side in record.others() if (found := ratios(record, kind, side))}
    if not by_side:
        return
    yield ""
    yield f"{_TITLES[kind]}: {record.base}'s time, and how many times as fast (least and most in a round)"
    yield f"{'':32}{record.base:>14}" + "".join(f"{side:>26}" for side in by_side)
    for name in dict.fromkeys(name for found in by_side.values() for name in found):
        base = next(found[name].base for found in by_side.values() if name in found)
        cells = (_cell(found.get(name)) for found in by_side.values())
        yield f"{name:32}{_seconds(base):>14}" + "".join(cells)
    if kind == "programs":
        means = {side: mean_of(found) for side, found in by_side.items()}
        yield f"{'geometric mean':46}" + "".join(
            f"{mean.mean:9.3f} ({mean.low:.3f} to {mean.high:.3f})".rjust(26) for mean in means.values()
        )
        for side, mean in means.items():
            worst = by_side[side][mean.worst]
            yield f"{side}: {_programs(mean.count)}; the slowest is {mean.worst} with {worst.ratio:.3f}"
            parts = [(each.worst, each.worst_part, name) for name, each in by_side[side].items() if each.worst_part]
            if parts and min(parts)[0] < worst.ratio:
                yield "    of the parts of programs, {1} of {2} with {0:.3f}".format(*min(parts))


def _memory(record: Record) -> Iterator[str]:
    for side in record.others():
        # The other way round than times: how much more it takes.
        found = {name: 1 / ratio.ratio for name, ratio in memory_ratios(record, side).items()}
        if found:
            worst = max(found, key=found.__getitem__)
            yield ""
            yield (
                f"peak memory of {side}: {geometric_mean(found.values()):.3f} of {record.base}'s"
                f" over {_programs(len(found))}; at most {found[worst]:.3f} ({worst})"
            )


def _bytecode(record: Record) -> Iterator[str]:
    for facts in record.sides:
        slow, quick = (record.rounds(f"start/{name}", facts.name) for name in (IMPORTS_COMPILED, "imports"))
        ratio = compare(slow, quick)
        if ratio is not None:
            yield ""
            yield (
                f"{facts.name}: importing is {ratio.ratio:.1f} times as fast as without bytecode"
                f" ({ratio.low:.1f} to {ratio.high:.1f})"
            )


def _cell(ratio: Ratio | None) -> str:
    if ratio is None:
        return f"{'failed':>26}"
    return f"{ratio.ratio:9.3f} ({ratio.low:.3f} to {ratio.high:.3f})".rjust(26)


def _programs(count: int) -> str:
    return "1 program" if count == 1 else f"{count} programs"


def _seconds(value: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}" if value * factor < 1000 else f"{value * factor:.0f} {unit}"
    return f"{value * 1e9:.3g} ns"
