"""A report is kept for its image, and written as JSON and JUnit's XML whatever is in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bivy.cli.verify_table import sentence
from bivy.verify.record import keep, last
from bivy.verify.render import as_json, as_junit
from bivy.verify.report import Outcome, Report, Status

DIGEST = f"sha256:{'ab' * 32}"
PASSED = Outcome("utc", "It is UTC", "official", Status.PASSED, why="Logs.", source="x", remedy="Do.")
FAILED = Outcome("links", "Links lead", "root", Status.FAILED, ("/a leads to b", "/c <&> \x1b \ud800"), why="W.")
SKIPPED = Outcome("umoci", "umoci agrees", "format", Status.SKIPPED, reason="umoci is not installed")
LEFT_OUT = Outcome("budget", "Small", "format", Status.LEFT_OUT, reason="it is for us alone")
SUITE = Outcome("cpython-suite", "CPython's tests", "suite", Status.PASSED)
REPORT = Report(
    "python:3.14-alpine", DIGEST, "linux/amd64", "2026-01-02T03:04:05Z", "0.1.0", (PASSED, FAILED, SKIPPED, LEFT_OUT)
)


def test_the_last_report_of_an_image_is_kept(tmp_path: Path) -> None:
    first = replace(REPORT, outcomes=(PASSED, SKIPPED))
    keep(first, tmp_path)
    assert last(DIGEST, tmp_path) == first
    second = replace(first, date="2026-02-02T03:04:05Z")
    keep(second, tmp_path)
    assert last(DIGEST, tmp_path) == second


def test_a_report_of_some_checks_alone_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    whole = replace(REPORT, outcomes=(PASSED,))
    keep(whole, tmp_path)
    keep(replace(whole, complete=False, date="2026-02-02T03:04:05Z"), tmp_path)
    assert last(DIGEST, tmp_path) == whole


def test_what_cpythons_suite_came_to_stays_with_the_date_that_it_ran_on(tmp_path: Path) -> None:
    keep(replace(REPORT, outcomes=(PASSED, SUITE)), tmp_path)
    keep(replace(REPORT, outcomes=(PASSED,), date="2026-02-02T03:04:05Z"), tmp_path)
    keep(replace(REPORT, outcomes=(PASSED,), date="2026-03-02T03:04:05Z"), tmp_path)
    kept = last(DIGEST, tmp_path)
    assert kept
    assert kept.outcomes == (PASSED, replace(SUITE, date="2026-01-02T03:04:05Z"))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"image": 1}', b"[" * 100_000])
def test_a_record_that_is_damaged_counts_as_none(content: bytes, tmp_path: Path) -> None:
    keep(replace(REPORT, outcomes=(PASSED,)), tmp_path)
    (path,) = (tmp_path / "verify").iterdir()
    path.write_bytes(content)
    assert last(DIGEST, tmp_path) is None


def test_of_an_image_that_was_never_checked_there_is_no_report(tmp_path: Path) -> None:
    assert last(DIGEST, tmp_path) is None
    assert last("../../etc/passwd", tmp_path) is None


def test_json_says_all_of_a_report() -> None:
    told = json.loads(json.dumps(as_json(REPORT)))
    assert (told["schema"], told["digest"], told["passed"]) == ("bivy.verify/1", DIGEST, False)
    assert told["counts"] == {"passed": 1, "failed": 1, "skipped": 1, "left_out": 1}
    assert [check["status"] for check in told["checks"]] == ["passed", "failed", "skipped", "left_out"]
    assert told["checks"][3]["reason"] == "it is for us alone"
    assert told["checks"][0]["reason"] is None


def test_junit_has_a_suite_for_each_group_with_the_images_digest() -> None:
    root = ET.fromstring(as_junit(REPORT))
    suites = list(root)
    assert [suite.get("name") for suite in suites] == ["official", "root", "format"]
    for suite in suites:
        facts = {one.get("name"): one.get("value") for one in suite.iterfind("properties/property")}
        assert facts["image.digest"] == DIGEST
    last_one = suites[2]
    assert (last_one.get("tests"), last_one.get("failures"), last_one.get("skipped")) == ("2", "0", "2")
    (failure,) = root.iter("failure")
    assert failure.text
    assert failure.text.startswith("/a leads to b\n/c <&> \ufffd \ufffd\n")


# What the XML Schema of Ant's JUnit task has: the attributes that must be there, and the order of what is inside.
_REQUIRED = {
    "testsuite": {"id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"},
    "testcase": {"name", "classname", "time"}, "property": {"name", "value"}, "failure": {"type"},
}  # fmt: skip


def test_junit_has_all_that_its_schema_asks_for_in_its_order() -> None:
    root = ET.fromstring(as_junit(REPORT))
    assert root.tag == "testsuites"
    for element in root.iter():
        assert _REQUIRED.get(element.tag, set()) <= set(element.keys())
    for suite in root:
        tags = [child.tag for child in suite]
        assert tags == ["properties", *(["testcase"] * (len(tags) - 3)), "system-out", "system-err"]
        assert len(suite.get("timestamp", "")) == len("2026-01-02T03:04:05")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters(), max_size=30))
def test_junit_is_xml_whatever_a_finding_says(text: str) -> None:
    outcome = replace(FAILED, findings=(text,), title=text, name=text, group=text, reason=text)
    ET.fromstring(as_junit(replace(REPORT, outcomes=(outcome,), image=text)))


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ((PASSED,), "The check passed."), ((FAILED,), "The check failed."),
        ((PASSED, FAILED), "1 of 2 checks failed."), ((), "No check was made."),
        ((PASSED, SKIPPED, LEFT_OUT), "The check passed; 1 skipped, 1 left out."),
    ],
)  # fmt: skip
def test_the_answer_is_one_sentence(outcomes: tuple[Outcome, ...], said: str) -> None:
    assert sentence(replace(REPORT, outcomes=outcomes)) == said
