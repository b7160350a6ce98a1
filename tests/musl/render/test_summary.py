"""What all renderings say alike."""

from __future__ import annotations

import dataclasses
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.arch import ARCHES
from bivy.musl.render.summary import (
    by_file,
    by_name,
    counts,
    describe_targets,
    plain,
    rows,
    sentence,
    spell_needs,
    spell_targets,
    split_code,
    split_source,
    steps,
)
from bivy.musl.report import Distribution, Finding, Need, Part, Problem, Report, Severity, Verdict
from bivy.musl.target import make_target
from tests.musl.render.samples import AARCH64, BOTH, HOSTILE, OLDER, REPORTS, STRFTIME, X86_64, project, single


def distribution(name: str, verdict: Verdict = Verdict.COMPILE, **values: object) -> Distribution:
    known: dict[str, object] = {"version": "1.0", "target": X86_64, "why": "It is so.", **values}
    return Distribution(name, verdict=verdict, **known)  # type: ignore[arg-type]


def report(*distributions: Distribution, **values: object) -> Report:
    return Report((), BOTH, Part(distributions, **values))  # type: ignore[arg-type]


def test_distributions_that_differ_in_their_target_alone_are_one_row() -> None:
    first, second = distribution("spam", file="a.whl"), distribution("spam", target=AARCH64, file="b.whl")
    (row,) = rows([first, second])
    assert row.targets == BOTH
    assert row.files == ("a.whl", "b.whl")


def test_distributions_whose_reasons_differ_stay_apart() -> None:
    assert len(rows([distribution("spam"), distribution("spam", target=AARCH64, why="Otherwise.")])) == 2


def test_the_worst_comes_first_and_what_was_asked_for_before_what_it_brings_in() -> None:
    found = [
        distribution("b", Verdict.PURE),
        distribution("c", Verdict.COMPILE),
        distribution("d", Verdict.COMPILE, asked=True),
        distribution("a", Verdict.IMPOSSIBLE),
    ]
    assert [row.name for row in rows(found)] == ["a", "d", "c", "b"]
    assert [one.name for one in by_name(found)] == ["a", "d", "c", "b"]


def test_a_name_counts_once_with_its_worst_verdict() -> None:
    found = [distribution("spam", Verdict.MUSLLINUX), distribution("spam", Verdict.COMPILE, target=AARCH64)]
    assert counts(found) == {Verdict.COMPILE: 1}


def test_a_verdict_is_a_guess_only_where_nothing_that_is_known_says_the_same() -> None:
    known, guessed = distribution("spam"), distribution("spam", target=AARCH64, guess=True)
    assert not by_name([known, guessed])[0].guess
    assert by_name([guessed])[0].guess


def test_files_with_errors_come_before_files_with_warnings_and_lines_in_their_order() -> None:
    warning = dataclasses.replace(STRFTIME, severity=Severity.WARNING)
    found = [Finding(warning, "a.py", "x", 1), Finding(STRFTIME, "b.py", "y", 9), Finding(warning, "b.py", "z", 2)]
    assert [(path, [one.line for one in group]) for path, group in by_file(found)] == [("b.py", [2, 9]), ("a.py", [1])]


def test_targets_are_told_apart_by_what_differs() -> None:
    musl = make_target("3.14", ARCHES["x86_64"], "1.2.5")
    assert spell_targets(BOTH, BOTH) == ""
    assert spell_targets([AARCH64], BOTH) == "aarch64"
    assert spell_targets([OLDER], (X86_64, OLDER)) == "Python 3.13"
    assert spell_targets([OLDER], (X86_64, AARCH64, OLDER)) == "Python 3.13"
    assert spell_targets([X86_64, OLDER], (X86_64, AARCH64, OLDER)) == "x86_64"
    assert spell_targets([AARCH64, OLDER], (X86_64, AARCH64, OLDER)) == "Python 3.14 aarch64, Python 3.13 x86_64"
    assert spell_targets([musl], (X86_64, musl)) == "musl 1.2.5"


def test_all_targets_are_described_in_one_phrase_where_every_combination_is_there() -> None:
    assert describe_targets(BOTH) == "Python 3.14 on x86_64 and aarch64, musl 1.2.6"
    assert describe_targets([AARCH64, OLDER]).count("Python") == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "project",
            (
                "No: 1 of 61 distributions cannot be installed on musl, 2 have to be compiled, 1 could not be judged; "
                "4 places do not work there, 2 behave differently; 2 things could not be looked at; "
                "2 of the verdicts are guesses."
            ),
        ),
        ("good", "Yes: all 53 distributions can be installed on musl."),
        ("compiled", "Yes, once 1 of 54 distributions has been compiled."),
        ("code alone", "Yes: nothing was found that does not work on musl, in 12 source files and 1 binary."),
        ("impossible", "No: spam cannot be installed on musl."),
        ("nothing", "Yes: nothing was found that does not work on musl."),
    ],
)
def test_the_answer_is_one_sentence_with_its_figures(name: str, said: str) -> None:
    assert sentence(REPORTS[name]) == said


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_sentence_begins_with_what_the_report_answers(verdict: Verdict) -> None:
    found = single(verdict)
    beginnings = {"no": "No: ", "unknown": "Not known: ", "compile": "Yes, once ", "yes": "Yes: "}
    assert sentence(found).startswith(beginnings[found.answer])
    assert "spam" in sentence(found)


def test_a_no_that_rests_on_guesses_alone_says_probably() -> None:
    assert sentence(single(Verdict.IMPOSSIBLE, guess=True)).startswith("Probably no: ")
    mixed = report(distribution("a", Verdict.IMPOSSIBLE, guess=True), distribution("b", Verdict.IMPOSSIBLE))
    assert sentence(mixed).startswith("No: ")


def test_what_cannot_be_installed_on_some_targets_alone_says_on_which() -> None:
    found = report(distribution("a", Verdict.IMPOSSIBLE, target=AARCH64), distribution("b", Verdict.PURE))
    assert "1 of 2 distributions cannot be installed on musl (aarch64)" in sentence(found)


def test_code_that_does_not_work_decides_before_what_has_to_be_compiled() -> None:
    found = report(distribution("a"), distribution("b"), findings=(Finding(STRFTIME, "a.py", "x", 1),))
    assert sentence(found) == "No: 1 place does not work on musl; 2 of 2 distributions have to be compiled."


def test_commands_that_are_one_command_with_several_arguments_are_given_once() -> None:
    found = report(
        distribution("a", advice=("Compile it once: `bivy wheel a==1.0`",)),
        distribution("b", advice=("Compile it once: `bivy wheel b==1.0`",)),
        distribution("b", target=AARCH64, advice=("Compile it once: `bivy wheel b==1.0`",)),
    )
    (step,) = steps(found)
    assert (step.text, step.command) == ("Compile it once:", "bivy wheel a==1.0 b==1.0")
    assert step.about == ("a 1.0", "b 1.0")


@pytest.mark.parametrize(
    ("advice", "text", "command"),
    [
        ("Compile it once: bivy wheel a==1", "Compile it once:", "bivy wheel a==1"),
        ("Load what is\nthere: `ctypes.CDLL(None)`.", "Load what is there:", "ctypes.CDLL(None)"),
        ("The zone's own name: `Europe/Berlin` for `posix/Europe/Berlin`.", None, ""),
        ("Take `psycopg` or `psycopg[binary]`", None, ""),
        ("Allow it: the nearest version that installs.", None, ""),
    ],
)
def test_what_advice_ends_with_after_a_colon_is_its_command(advice: str, text: str | None, command: str) -> None:
    (step,) = steps(report(distribution("a", advice=(advice,))))
    assert (step.text, step.command) == (advice if text is None else text, command)


def test_a_step_for_findings_begins_with_what_is_the_matter() -> None:
    (step,) = steps(report(findings=(Finding(STRFTIME, "a.py", "x", 1), Finding(STRFTIME, "b.py", "x", 2))))
    assert step.text.startswith("A strftime directive that only glibc has: Format the number itself")
    assert step.about == ("a.py:1", "b.py:2")


def test_what_a_rule_rests_on_is_a_link_and_words() -> None:
    assert split_source("https://example.com/a (Section 3)") == ("https://example.com/a", "(Section 3)")
    assert split_source("POSIX, dlopen") == ("", "POSIX, dlopen")
    assert split_source("javascript:alert(1)") == ("", "javascript:alert(1)")
    assert split_source("") == ("", "")


def test_steps_begin_with_what_stands_in_the_way_and_end_with_what_is_only_different() -> None:
    texts = [step.text for step in steps(project())]
    order = ["Do without it", "A library that is part of glibc: Load", "Name the index", "Compile it", "Sorting by"]
    places = [next(place for place, text in enumerate(texts) if text.startswith(begin)) for begin in order]
    assert places == sorted(places)


def test_notes_ask_for_nothing() -> None:
    note = dataclasses.replace(STRFTIME, severity=Severity.NOTE)
    assert steps(report(findings=(Finding(note, "a.py", "x", 1),))) == ()


def test_a_problems_hint_is_a_step_and_the_same_hint_one_for_all() -> None:
    found = report(problems=(Problem("a", "x", "try it"), Problem("b", "x", "try it"), Problem("c", "x")))
    assert [(step.text, step.about) for step in steps(found)] == [("Try it", ("a", "b"))]


def test_needs_are_spelled_with_compilers_by_their_languages() -> None:
    needs = (
        Need("compiler", "c", ""),
        Need("compiler", "rust", ""),
        Need("package", "openssl-dev", ""),
        Need("build", "wheel", ""),
    )
    assert spell_needs(needs) == "a compiler for C and Rust, openssl-dev"
    assert spell_needs(()) == ""


def test_code_is_what_stands_between_backquotes() -> None:
    assert split_code("take `a b` or `c`") == ((False, "take "), (True, "a b"), (False, " or "), (True, "c"))


def test_a_backquote_that_nothing_closes_is_text() -> None:
    assert split_code("take `a` or `b") == ((False, "take "), (True, "a"), (False, " or `b"))


@given(st.text(alphabet=st.characters()))
def test_plain_text_holds_nothing_that_a_terminal_obeys_and_can_be_encoded(text: str) -> None:
    cleaned = plain(text, keep="")
    cleaned.encode()
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in cleaned)
    assert plain(cleaned, keep="") == cleaned


def test_plain_text_spells_what_would_turn_the_reading_around() -> None:
    assert plain(HOSTILE).startswith("\\x1b[31m<script>")
    assert "\\u202egpj.exe\\udcff\\x00" in plain(HOSTILE)
    assert plain("Grüße, 世界 🙂\n") == "Grüße, 世界 🙂\n"
