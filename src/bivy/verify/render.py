"""A report of checks for programs: as JSON, and as the XML that test runners and CI systems call JUnit's."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from bivy.verify.report import Outcome, Report, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bivy.verify.check import Check

SCHEMA = "bivy.verify/1"
# What XML 1.0 has no way to spell (section 2.2, "Characters").
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as docs/verify.md describes it."""
    return {
        "schema": SCHEMA,
        "bivy": report.bivy,
        "image": report.image,
        "digest": report.digest,
        "platform": report.platform,
        "date": report.date,
        "passed": report.passed,
        "complete": report.complete,
        "counts": {status.value.replace(" ", "_"): len(report.having(status)) for status in Status},
        "checks": [_outcome_as_json(outcome) for outcome in report.outcomes],
    }


def _outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "group": outcome.group,
        "title": outcome.title,
        "status": outcome.status.value.replace(" ", "_"),
        "findings": list(outcome.findings),
        "reason": outcome.reason or None,
        "why": outcome.why,
        "source": outcome.source,
        "remedy": outcome.remedy,
        "date": outcome.date or None,
    }


def checks_as_json(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Return what checks there are, for ``--list --json``."""
    return [
        {
            "name": check.name, "group": check.group, "title": check.title, "runs": check.runs, "why": check.why,
            "source": check.source, "remedy": check.remedy,
        }
        for check in checks
    ]  # fmt: skip


def as_junit(report: Report) -> bytes:
    """Return a report as JUnit's XML: a suite for each group, a case for each check.

    The form is the one that the XML Schema of Ant's JUnit task has (windyroad/JUnit-Schema), which Jenkins, GitLab and
    others read. A check that was left out is one that was skipped.
    """
    root = ET.Element("testsuites")
    for number, (group, outcomes) in enumerate(_by_group(report)):
        root.append(_suite(report, group, outcomes, number))
    ET.indent(root)
    spelled: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return spelled + b"\n"


def _by_group(report: Report) -> list[tuple[str, list[Outcome]]]:
    return [(group, list(those)) for group, those in groupby(report.outcomes, key=lambda outcome: outcome.group)]


def _suite(report: Report, group: str, outcomes: list[Outcome], number: int) -> ET.Element:
    failed = sum(outcome.status is Status.FAILED for outcome in outcomes)
    skipped = sum(outcome.status in (Status.SKIPPED, Status.LEFT_OUT) for outcome in outcomes)
    suite = ET.Element(
        "testsuite", name=_text(group), package="bivy.verify", id=str(number), hostname="localhost",
        timestamp=report.date.removesuffix("Z"), time="0", tests=str(len(outcomes)), failures=str(failed), errors="0",
        skipped=str(skipped),
    )  # fmt: skip
    properties = ET.SubElement(suite, "properties")
    facts = {
        "image": report.image, "image.digest": report.digest, "image.platform": report.platform,
        "bivy.version": report.bivy,
    }  # fmt: skip
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=_text(value))
    suite.extend(_case(group, outcome) for outcome in outcomes)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")
    return suite


def _case(group: str, outcome: Outcome) -> ET.Element:
    case = ET.Element("testcase", name=_text(outcome.name), classname=_text(f"bivy.verify.{group}"), time="0")
    if outcome.status is Status.FAILED:
        failure = ET.SubElement(case, "failure", type="finding", message=_text(outcome.title))
        lines = (*outcome.findings, f"Why: {outcome.why}", f"What to do: {outcome.remedy}", f"From: {outcome.source}")
        failure.text = _text("\n".join(lines))
    elif outcome.status is not Status.PASSED:
        ET.SubElement(case, "skipped", message=_text(outcome.reason))
    return case


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
