"""The tables say what was measured, and leave out what failed anywhere."""

from __future__ import annotations

from bench.pythons.show import memory_ratios, ratios, report

from tests.bench.pythons.records import record


def test_what_failed_on_one_side_is_named_with_its_last_lines_and_left_out_of_the_mean() -> None:
    measured = record({
        "programs/one": {"base": [1.0], "other": [2.0]},
        "programs/two": {"base": [1.0], "other": [1000.0]},
    })  # fmt: skip
    measured.fail("programs/two", "other", "Traceback\nOSError: no")
    text = report(measured)
    assert set(ratios(measured, "programs", "other")) == {"one"}
    assert "programs/two failed on other, and is left out:\n    Traceback\n    OSError: no" in text
    assert "other: 1 program; the slowest is one with 0.500" in text


def test_memory_is_of_programs_and_says_how_much_more_a_side_takes() -> None:
    measured = record(
        {"programs/one": {"base": [1.0], "other": [1.0]}, "threads/2": {"base": [1.0], "other": [1.0]}},
        {"base": 100, "other": 125},
    )
    assert set(memory_ratios(measured, "other")) == {"one"}
    assert "peak memory of other: 1.250 of base's over 1 program; at most 1.250 (one)" in report(measured)


def test_bytecode_is_told_for_each_side_on_its_own() -> None:
    measured = record({
        "start/imports": {"base": [0.1], "other": [0.2]},
        "start/imports, no bytecode": {"base": [0.7], "other": [0.8]},
    })  # fmt: skip
    assert "base: importing is 7.0 times as fast as without bytecode" in report(measured)
    assert "other: importing is 4.0 times as fast as without bytecode" in report(measured)


def test_packages_and_variables_are_told() -> None:
    measured = record({"start/pass": {"base": [0.1], "other": [0.2]}})
    measured.sides[1].packages["python3.14"] = "3.14.10-1"
    measured.sides[1].environment["PYTHONMALLOC"] = "mimalloc"
    text = report(measured)
    assert "of python3.14 3.14.10-1" in text
    assert "with PYTHONMALLOC=mimalloc" in text
