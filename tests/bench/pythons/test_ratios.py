"""Ratios, their mean and their spread."""

from __future__ import annotations

import pytest
from bench.pythons.ratios import Ratio, compare, geometric_mean, mean_of
from hypothesis import given
from hypothesis import strategies as st

TIMES = st.floats(1e-9, 1e9)


def test_the_ratio_is_of_the_least_of_all_rounds_and_the_spread_of_single_rounds() -> None:
    found = compare({0: {"": 2.0}, 1: {"": 1.0}}, {0: {"": 1.0}, 1: {"": 2.0}})
    assert found is not None
    assert (found.base, found.ratio, found.low, found.high) == (1.0, 1.0, 0.5, 2.0)


def test_a_side_that_takes_less_is_above_one() -> None:
    found = compare({0: {"": 3.0}}, {0: {"": 1.5}})
    assert found is not None
    assert found.ratio == pytest.approx(2.0)


def test_parts_of_a_program_count_as_one_and_the_worst_is_named() -> None:
    found = compare({0: {"encode": 4.0, "decode": 1.0}}, {0: {"encode": 1.0, "decode": 1.0}})
    assert found is not None
    assert found.ratio == pytest.approx(2.0)
    assert found.base == pytest.approx(2.0)
    assert (found.worst_part, found.worst) == ("decode", 1.0)


def test_rounds_and_parts_that_one_side_lacks_do_not_count() -> None:
    found = compare({0: {"a": 1.0, "b": 9.0}, 1: {"a": 0.1}}, {0: {"a": 2.0}, 7: {"a": 0.001}})
    assert found is not None
    assert (found.ratio, dict(found.rounds)) == (0.5, {0: 0.5})


def test_nothing_in_common_is_no_ratio() -> None:
    assert compare({0: {"a": 1.0}}, {1: {"a": 1.0}}) is None
    assert compare({0: {"a": 1.0}}, {0: {"b": 1.0}}) is None
    assert compare({}, {}) is None


@given(st.lists(TIMES, min_size=1), TIMES)
def test_the_mean_of_ratios_does_not_depend_on_which_side_is_the_base(values: list[float], other: float) -> None:
    there, back = (
        geometric_mean(ratio) for ratio in ([each / other for each in values], [other / each for each in values])
    )
    assert there * back == pytest.approx(1.0)


def test_there_is_no_mean_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        geometric_mean([])


def ratio(value: float, **rounds: float) -> Ratio:
    return Ratio(1.0, value, {int(number[1:]): each for number, each in rounds.items()}, "", value)


def test_the_mean_of_programs_has_the_spread_of_whole_rounds() -> None:
    # One program is quicker in the first round, the other in the second: the rounds do not differ.
    found = mean_of({"one": ratio(1.0, r0=2.0, r1=0.5), "two": ratio(1.0, r0=0.5, r1=2.0)})
    assert (found.mean, found.low, found.high, found.count) == (1.0, 1.0, 1.0, 2)


def test_the_worst_program_is_named() -> None:
    assert mean_of({"one": ratio(2.0, r0=2.0), "two": ratio(0.5, r0=0.5)}).worst == "two"
