"""What came of CPython's suite, as one outcome of a report and file by file."""

from __future__ import annotations

import json
from pathlib import Path

from bivy.verify.record import keep, last
from bivy.verify.report import Report, Status
from bivy.verify.suite.outcome import outcome_of_suite, suite_as_json, suite_skipped
from bivy.verify.suite.report import Fault, FileOutcome
from bivy.verify.suite.report import Status as FileStatus
from tests.verify.suite.test_known import CHOWN, failed, file, report

DIGEST = "sha256:" + "5" * 64


def test_a_new_failure_fails_the_image() -> None:
    found = outcome_of_suite(report([file(faults=(failed("test.test_os.Files.test_x", "no"),))], []))
    assert found.status is Status.FAILED
    assert found.findings == ("test.test_os.Files.test_x failed: no",)


def test_known_failures_pass_and_are_counted() -> None:
    found = outcome_of_suite(report([file(faults=(failed(CHOWN.tests[0], "Invalid argument"),))], [CHOWN]))
    assert found.status is Status.PASSED
    assert "1 failed as known" in found.reason


def test_programs_are_told_of_each_file() -> None:
    files = [
        FileOutcome("test_bool", FileStatus.PASSED, passed=("test.test_bool.BoolTest.test_int",)),
        file(faults=(Fault("test_os", "timed out", "in test_x"),), status=FileStatus.TIMED_OUT),
    ]
    told = json.loads(json.dumps(suite_as_json(report(files, []))))
    assert [(each["name"], each["status"], each["run"]) for each in told["files"]] == [
        ("test_bool", "passed", 1),
        ("test_os", "timed_out", 0),
    ]
    assert told["new"] == [{"name": "test_os", "how": "timed out", "text": "in test_x"}]


def test_the_suite_is_carried_over_to_the_next_report(tmp_path: Path) -> None:
    def a_report(date: str, *outcomes: object) -> Report:
        return Report("python", DIGEST, "linux/amd64", date, "0", outcomes)  # type: ignore[arg-type]

    keep(a_report("2026-11-25T00:00:00Z", suite_skipped("no source")), tmp_path)
    keep(a_report("2026-11-26T00:00:00Z"), tmp_path)
    kept = last(DIGEST, tmp_path)
    assert kept is not None
    assert [(one.name, one.date) for one in kept.outcomes] == [("cpython-suite", "2026-11-25T00:00:00Z")]
