"""How much faster one Python is than another: ratios of times, their mean, and how far rounds differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Ratio:
    """What one program says of a side beside the base.

    Attributes:
        base: What the base took, in the unit of what was measured: the least of all rounds, for several parts their
            geometric mean.
        ratio: The base's divided by the side's, above 1 where the side took less.
        rounds: The ratio of each round alone, by its number.
        worst_part: The part with the smallest ratio; empty where there is just one.
        worst: Its ratio.
    """

    base: float
    ratio: float
    rounds: Mapping[int, float]
    worst_part: str
    worst: float

    @property
    def low(self) -> float:
        """The smallest ratio of a single round."""
        return min(self.rounds.values())

    @property
    def high(self) -> float:
        """The largest ratio of a single round."""
        return max(self.rounds.values())


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean.

    Raises:
        ValueError: There is none, or one of them is not positive.
    """
    logarithms = [math.log(value) for value in values]
    if not logarithms:
        raise ValueError("there is no mean of nothing")
    return math.exp(math.fsum(logarithms) / len(logarithms))


def compare(base: Mapping[int, Mapping[str, float]], side: Mapping[int, Mapping[str, float]]) -> Ratio | None:
    """Compare a side with the base, by the parts that both have and the rounds that both were in.

    Args:
        base: What the base took, by round and part.
        side: What the side took.

    Returns:
        The ratio, or ``None`` where there is nothing that both have.
    """
    rounds = sorted(base.keys() & side.keys())
    parts = sorted(
        set.intersection(*(set(each) for number in rounds for each in (base[number], side[number]))) if rounds else ()
    )
    if not parts:
        return None
    least_base = {part: min(base[number][part] for number in rounds) for part in parts}
    least_side = {part: min(side[number][part] for number in rounds) for part in parts}
    by_part = {part: least_base[part] / least_side[part] for part in parts}
    by_round = {number: geometric_mean(base[number][part] / side[number][part] for part in parts) for number in rounds}
    worst = min(parts, key=by_part.__getitem__)
    return Ratio(
        base=geometric_mean(least_base.values()),
        ratio=geometric_mean(by_part.values()),
        rounds=by_round,
        worst_part=worst if len(parts) > 1 else "",
        worst=by_part[worst],
    )


@dataclass(frozen=True, slots=True)
class Mean:
    """What the ratios of several programs come to.

    Attributes:
        mean: Their geometric mean.
        low: The smallest geometric mean of a single round that all programs were in.
        high: The largest.
        worst: The program with the smallest ratio.
        count: How many programs there are.
    """

    mean: float
    low: float
    high: float
    worst: str
    count: int


def mean_of(found: Mapping[str, Ratio]) -> Mean:
    """Return what ratios of programs come to.

    Raises:
        ValueError: There is none.
    """
    mean = geometric_mean(ratio.ratio for ratio in found.values())
    rounds = set.intersection(*(set(ratio.rounds) for ratio in found.values()))
    by_round = [geometric_mean(ratio.rounds[number] for ratio in found.values()) for number in rounds] or [mean]
    worst = min(found, key=lambda name: found[name].ratio)
    return Mean(mean, min(by_round), max(by_round), worst, len(found))
