"""A report as JSON, for programs; `check.schema.json` beside this file says what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bivy import __version__
from bivy.musl.render.summary import counts, sentence, steps, weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bivy.musl.report import Distribution, Finding, Report, Rule
    from bivy.musl.target import Target

SCHEMA = "bivy.check/1"
"""What the output says of its own form; the number goes up when a program that reads it would have to change."""


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as values that JSON has; what there is none of is ``null``, not an empty string.

    Half characters, which stand for bytes in a file's name that are no UTF-8, are spelled out: the result can
    be written as UTF-8.
    """
    found = report.found
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "bivy": __version__,
        "asked": list(report.asked),
        "answer": report.answer.value,
        "sentence": sentence(report),
        "targets": [
            {
                "id": target_id(target), "python": target.python, "free_threaded": target.free_threaded,
                "arch": target.arch.name, "platform": target.arch.platform, "musl": target.musl,
            }
            for target in report.targets
        ],
        "counts": {
            "distributions": dict(counts(found.distributions)),
            "findings": dict(weights(found.findings)),
            "silenced": len(found.silenced),
            "problems": len(found.problems),
            "looked_at": dict(found.looked_at),
        },
        "steps": [
            {"text": step.text, "command": step.command or None, "about": list(step.about)} for step in steps(report)
        ],
        "distributions": [_distribution(one) for one in found.distributions],
        "rules": [_rule(rule) for rule in rules_of(report)],
        "findings": [_finding(finding) for finding in found.findings],
        "silenced": [{**_finding(one.finding), "reason": one.reason or None} for one in found.silenced],
        "problems": [
            {"subject": problem.subject, "message": problem.message, "hint": problem.hint or None}
            for problem in found.problems
        ],
    }  # fmt: skip
    cleaned: dict[str, Any] = encodable(result)
    return cleaned


def target_id(target: Target) -> str:
    """Return the identifier that the output knows a target by: ``python3.14-musl1.2.6-x86_64``."""
    return f"python{target.python_name}-musl{target.musl}-{target.arch.name}"


def rules_of(report: Report) -> tuple[Rule, ...]:
    """Return the rules of a report's findings, the silenced ones' too, each once, by name."""
    findings = (*report.found.findings, *(one.finding for one in report.found.silenced))
    return tuple({rule.name: rule for rule in _by_name(finding.rule for finding in findings)}.values())


def encodable(value: Any) -> Any:  # noqa: ANN401 - what JSON has is anything
    """Return values of JSON with all text such that UTF-8 can encode it."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {encodable(key): encodable(item) for key, item in value.items()}
    return [encodable(item) for item in value] if isinstance(value, list) else value


def _by_name(rules: Iterable[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: rule.name)


def _distribution(one: Distribution) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version or None,
        "target": target_id(one.target),
        "verdict": one.verdict.value,
        "guess": one.guess,
        "why": one.why,
        "file": one.file or None,
        "evidence": list(one.evidence),
        "needs": [{"kind": need.kind, "name": need.name, "known_from": need.known_from} for need in one.needs],
        "advice": list(one.advice),
        "requires": list(one.requires),
        "asked": one.asked,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "title": rule.title,
        "severity": rule.severity.value,
        "why": rule.why,
        "instead": rule.instead or None,
        "source": rule.source or None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule.name,
        "severity": finding.weight.value,
        "path": finding.path,
        "line": finding.line or None,
        "column": finding.column or None,
        "message": finding.message,
        "evidence": list(finding.evidence),
        "guess": finding.guess,
        "targets": [target_id(target) for target in finding.targets],
    }
