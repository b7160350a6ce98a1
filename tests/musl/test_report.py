"""The answer follows from the worst that was found."""

from __future__ import annotations

import pytest

from bivy.musl.report import Answer, Distribution, Finding, Part, Problem, Report, Rule, Severity, Verdict
from bivy.musl.target import make_targets

TARGETS = make_targets((), (), "")


def distribution(verdict: Verdict) -> Part:
    return Part(distributions=(Distribution("pkg", "1.0", TARGETS[0], verdict, "because"),))


def finding(severity: Severity) -> Part:
    return Part(findings=(Finding(Rule("a-rule", "Title", severity, "Why.", "Instead."), "a.py", "There."),))


PROBLEM = Part(problems=(Problem("index", "gone"),))


def report(*parts: Part) -> Report:
    return Report(("it",), TARGETS, sum(parts, Part()))


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([], Answer.YES),
        ([distribution(Verdict.PURE), distribution(Verdict.SOURCE), distribution(Verdict.MUSLLINUX)], Answer.YES),
        ([finding(Severity.WARNING), finding(Severity.NOTE)], Answer.YES),
        ([distribution(Verdict.COMPILE), distribution(Verdict.PURE)], Answer.COMPILE),
        ([distribution(Verdict.COMPILE), distribution(Verdict.UNKNOWN)], Answer.UNKNOWN),
        ([PROBLEM, distribution(Verdict.COMPILE)], Answer.UNKNOWN),
        ([PROBLEM, distribution(Verdict.IMPOSSIBLE)], Answer.NO),
        ([finding(Severity.ERROR)], Answer.NO),
    ],
)
def test_the_worst_decides(parts: list[Part], answer: Answer) -> None:
    assert report(*parts).answer is answer


def test_a_pipeline_stops_where_the_answer_is_no_or_was_not_found_out() -> None:
    assert report(distribution(Verdict.IMPOSSIBLE)).is_no()
    assert report(PROBLEM).is_no()
    assert not report(distribution(Verdict.COMPILE), finding(Severity.WARNING)).is_no()


@pytest.mark.parametrize("part", [distribution(Verdict.COMPILE), finding(Severity.WARNING)])
def test_a_strict_pipeline_stops_for_warnings_and_compilation_too(part: Part) -> None:
    assert report(part).is_no(strict=True)
    assert not report(finding(Severity.NOTE)).is_no(strict=True)


def test_what_was_looked_at_adds_up() -> None:
    both = Part(looked_at={"binaries": 2}) + Part(looked_at={"source files": 1, "binaries": 3})
    assert dict(both.looked_at) == {"binaries": 5, "source files": 1}
