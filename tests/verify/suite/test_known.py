"""What came of a run beside what is known to fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bivy.errors import UsageError
from bivy.verify.suite.known import Known, compare, known_for, left_out, read_known
from bivy.verify.suite.report import Fault, FileOutcome, Status, SuiteReport

CHOWN = Known(("test.test_os.Files.test_chown",), "sandbox", "it has one user", text="*Invalid*")


def file(name: str = "test_os", status: Status = Status.FAILED, **more: Any) -> FileOutcome:
    return FileOutcome(name, status, **more)


def failed(test: str, text: str = "") -> Fault:
    return Fault(test, "failed", text)


def report(files: list[FileOutcome], known: list[Known], *, whole: bool = True) -> SuiteReport:
    new, expected, passing = compare(files, known)
    return SuiteReport("python", "sha256:0", "linux/amd64", "3.14.7", "2026-11-25T00:00:00Z", 1.0, tuple(files),
                       new, expected, passing, whole)  # fmt: skip


def test_a_failure_that_nobody_knows_is_a_failure() -> None:
    found = report(
        [file(passed=("test.test_os.Files.test_open",), faults=(failed("test.test_os.Files.test_x", "no"),))], []
    )
    assert not found.good
    assert found.findings() == ["test.test_os.Files.test_x failed: no"]


def test_a_known_failure_is_none() -> None:
    fault = failed("test.test_os.Files.test_chown", "OSError: [Errno 22] Invalid argument")
    found = report([file(faults=(fault,))], [CHOWN])
    assert found.good
    assert found.known == ((fault, CHOWN),)
    assert found.findings() == []
    assert found.passing == ()


def test_a_known_failure_that_says_something_else_is_a_failure() -> None:
    found = report([file(faults=(failed("test.test_os.Files.test_chown", "MemoryError"),))], [CHOWN])
    assert not found.good


def test_a_known_failure_that_passes_is_said_and_is_no_failure() -> None:
    found = report([file(status=Status.PASSED, passed=("test.test_os.Files.test_chown",))], [CHOWN])
    assert found.good
    assert found.passing == ("test.test_os.Files.test_chown",)


def test_what_fails_sometimes_is_not_said_to_pass() -> None:
    sometimes = Known(CHOWN.tests, "sandbox", "it depends", sometimes=True)
    found = report([file(status=Status.PASSED, passed=CHOWN.tests)], [sometimes])
    assert found.passing == ()


def test_a_known_failure_whose_file_did_not_run_is_not_said_to_pass() -> None:
    assert report([file("test_int", Status.PASSED, passed=("test.test_int.A.b",))], [CHOWN]).passing == ()


def test_a_pattern_of_which_one_test_still_fails_is_not_said_to_pass() -> None:
    known = Known(("test.test_os.*",), "musl", "all of them")
    files = [file(passed=("test.test_os.A.a",), faults=(failed("test.test_os.A.b"),))]
    assert report(files, [known]).passing == ()


@pytest.mark.parametrize("how", ["crashed", "timed out"])
def test_a_file_that_does_not_come_to_its_end_is_a_failure(how: Any) -> None:
    fault = Fault("test_os", how, "in test.test_os.A.a")
    files = [file(status=Status(how), faults=(fault,))]
    assert report(files, [Known(("test_os",), "musl", "another way to fail")]).findings() == [
        f"test_os {how}: in test.test_os.A.a"
    ]
    assert report(files, [Known(("test_os",), "musl", "this way", how=how)]).good


def test_a_file_that_is_skipped_for_a_new_reason_is_a_failure() -> None:
    files = [file("test_ssl", Status.SKIPPED, reason="No module named '_ssl'")]
    assert report(files, []).findings() == ["test_ssl was skipped: No module named '_ssl'"]
    assert not report(files, [Known(("test_ssl",), "image", "none", how="skipped", text="no network")]).good
    assert report(files, [Known(("test_ssl",), "image", "no TLS", how="skipped", text="*'_ssl'")]).good


def test_a_file_that_was_skipped_and_passes_now_is_said() -> None:
    known = Known(("test_perf_profiler",), "musl", "not on musl", how="skipped")
    found = report([file("test_perf_profiler", Status.PASSED, passed=("a",))], [known])
    assert found.good
    assert found.passing == ("test_perf_profiler",)


def test_a_run_that_was_interrupted_is_not_good_and_says_so() -> None:
    found = report([file(status=Status.PASSED, passed=("a",)), file("test_zlib", Status.NOT_RUN)], [])
    assert not found.good
    assert found.interrupted
    assert found.findings() == ["1 of 2 files did not run: the run was interrupted"]
    assert "interrupted: 1 files did not run" in found.summary()


def test_nothing_run_is_not_good() -> None:
    assert not report([], []).good


def test_what_a_test_says_cannot_act_on_a_terminal() -> None:
    found = report([file(faults=(failed("test.test_os.A.a", "\x1b[2Jboo\n\nmore\r"),))], [])
    assert found.findings() == ["test.test_os.A.a failed: \\x1b[2Jboo more"]


def test_figures_count_tests_and_files() -> None:
    files = [
        file(
            passed=("a", "b"),
            skipped=3,
            lacking=1,
            faults=(failed("c"), failed("test.test_os.Files.test_chown", "Invalid")),
        ),
        file("test_tcl", Status.SKIPPED, reason="no"),
        file("test_abc", Status.CRASHED, passed=("d",), faults=(Fault("test_abc", "crashed"),), again=("x",)),
    ]
    assert report(files, [CHOWN]).figures() == {
        "files": 3,
        "files_run": 2,
        "files_skipped": 1,
        "tests_run": 5,
        "tests_passed": 3,
        "tests_skipped": 3,
        "tests_skipped_for_modules": 1,
        "failed_as_known": 1,
        "failed_otherwise": 2,
        "skipped_otherwise": 1,
        "passed_when_run_again": 1,
    }


def test_what_is_known_of_one_series_says_nothing_of_another() -> None:
    known = [CHOWN, Known(("a",), "musl", "old", series=("3.13",))]
    assert known_for("3.14.7", known) == (CHOWN,)
    assert len(known_for("3.13.15", known)) == 2


def test_only_what_is_left_out_is_left_out() -> None:
    assert left_out([CHOWN, Known(("test.test_a.B.*",), "image", "breaks", how="left out")]) == ("test.test_a.B.*",)


def test_bivys_own_list_can_be_read_and_has_reasons() -> None:
    known = read_known()
    names = [test for entry in known for test in entry.tests if entry.how != "left out"]
    assert len(names) == len(set(names))
    for entry in known:
        assert entry.reason.endswith("."), entry
        assert not entry.issue or re.fullmatch(r"https://\S+", entry.issue), entry


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[known]]\ntests = ['a']\nbecause = 'moon'\nreason = 'x'\n", "known.toml:3: "),
        ("[[known]]\ntests = ['a']\nbecause = 'musl'\n", "known.toml:1: "),
        ("[[known]]\ntests = []\nbecause = 'musl'\nreason = 'x'\n", "known.toml:1: a known failure has tests"),
        ("[[known]]\ntests = ['a']\nbecause = 'musl'\nreason = ' '\n", "a known failure has tests and a reason"),
        ("[[known]]\ntest = ['a']\n", "unknown key"),
        ("[[known", "this is not TOML"),
    ],
)  # fmt: skip
def test_a_list_that_is_wrong_is_refused_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(message)):
        read_known(path)
