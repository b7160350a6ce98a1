"""What a file of tests wrote becomes its outcome, whatever it wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.verify.suite.report import Fault, FileOutcome, Status
from bivy.verify.suite.results import outcome_of

A, B = "test.test_os.A.test_a", "test.test_os.A.test_b"


def lines(*events: dict[str, object]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def ended(test: str, outcome: str, text: str = "") -> tuple[dict[str, object], dict[str, object]]:
    return {"start": test}, {"end": test, "outcome": outcome, "text": text}


def judged(record: bytes, status: int | None = 0, log: str = "") -> FileOutcome:
    return outcome_of("test_os", record, log, status, 1.26)


WHOLE = lines(*ended(A, "passed"), *ended(B, "skipped", "no reason"), {"status": 0})


def test_a_file_passes_where_regrtest_says_so_and_tests_ran() -> None:
    assert judged(WHOLE) == FileOutcome("test_os", Status.PASSED, (A,), 1, seconds=1.3)


def test_a_failed_test_is_named_with_what_it_said() -> None:
    found = judged(lines(*ended(A, "passed"), *ended(B, "failed", "AssertionError: 1 != 2"), {"status": 2}), 2)
    assert found.status is Status.FAILED
    assert found.faults == (Fault(B, "failed", "AssertionError: 1 != 2"),)
    assert found.run == 2


def test_a_test_of_which_a_part_failed_failed_though_it_is_said_to_pass() -> None:
    found = judged(lines({"start": A}, {"end": A, "outcome": "failed", "text": "part"}, {"end": A, "outcome": "passed"},
                         {"status": 2}), 2)  # fmt: skip
    assert found.passed == ()
    assert found.faults == (Fault(A, "failed", "part"),)


def test_a_test_of_which_a_part_was_skipped_and_that_passed_is_not_counted_as_skipped() -> None:
    found = judged(
        lines({"start": A}, {"end": A, "outcome": "skipped", "text": "x"}, *ended(A, "passed"), {"status": 0})
    )
    assert (found.passed, found.skipped) == ((A,), 0)


def test_failures_count_though_regrtest_says_that_all_is_well() -> None:
    assert judged(lines(*ended(A, "failed", "x"), {"status": 0})).status is Status.FAILED


def test_tests_that_are_skipped_for_modules_of_tests_are_counted() -> None:
    found = judged(lines(*ended(A, "passed"), *ended(B, "skipped", "No module named '_testcapi'"), {"status": 0}))
    assert (found.skipped, found.lacking) == (1, 1)


def test_a_skipped_file_says_why() -> None:
    found = judged(lines({"status": 0}), log="x\ntest_os skipped -- No module named '_tkinter'\n")
    assert (found.status, found.reason) == (Status.SKIPPED, "No module named '_tkinter'")
    assert judged(lines({"status": 4}), 4).status is Status.SKIPPED
    assert judged(lines({"status": 0})).reason == "there is no test in it"


def test_a_file_of_which_no_test_ran_was_skipped_for_what_most_of_them_were() -> None:
    reasons = [ended(f"test.test_os.A.test_{number}", "skipped", "no Tk" if number else "x") for number in range(3)]
    found = judged(lines(*(event for pair in reasons for event in pair), {"status": 0}))
    assert (found.status, found.reason, found.skipped) == (Status.SKIPPED, "no Tk", 3)


def test_a_file_that_cannot_be_imported_failed() -> None:
    log = "Traceback (most recent call last):\n  File x\nImportError: cannot import name 'y'\n\ntest test_os failed\n"
    found = judged(lines({"status": 2}), 2, log)
    assert found.faults == (Fault("test_os", "failed", "ImportError: cannot import name 'y'"),)
    assert judged(lines({"status": 2}), 2).status is Status.FAILED


def test_a_crash_is_told_with_the_signal_and_the_test_that_was_under_way() -> None:
    found = judged(lines(*ended(A, "passed"), {"start": B}), 139)
    assert found.status is Status.CRASHED
    assert found.faults == (Fault("test_os", "crashed", f"with the signal SIGSEGV in {B}"),)
    assert found.passed == (A,)


def test_an_end_without_a_word_is_a_crash_though_the_status_is_0() -> None:
    assert judged(lines(*ended(A, "passed")), 0).faults == (Fault("test_os", "crashed", "with the exit status 0"),)
    assert judged(b"", 1).status is Status.CRASHED
    assert judged(b"", 250).faults[0].text == "with the exit status 250"


def test_a_file_that_takes_too_long_is_told_with_the_test_that_was_under_way() -> None:
    own = judged(lines({"start": B}), 1, "test_b (x) ... Timeout (0:10:00)!\nThread 0x1\n")
    ended_by_us = judged(lines({"start": B}), None)
    for found in (own, ended_by_us):
        assert found.status is Status.TIMED_OUT
        assert found.faults == (Fault("test_os", "timed out", f"in {B}"),)


def test_a_file_that_tells_of_somebody_elses_timeout_passes() -> None:
    assert judged(WHOLE, log="Timeout (0:00:01)!\n").status is Status.PASSED


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_record_that_is_cut_off_never_passes(cut: int) -> None:
    assert judged(WHOLE[:cut]).status in (Status.CRASHED, Status.PASSED if cut >= len(WHOLE) - 1 else Status.CRASHED)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"end": 1, "outcome": [], "text": {}}',
        b'{"status": "0"}',
        b'{"status": true}',
        b'{"start": null}',
        b"null",
        b"\xff\xfe",
        b'{"end": "x", "outcome": "unheard of"}',
        b'{"status": ' + b"9" * 5000 + b"}",
    ],
)
def test_lines_that_mean_nothing_are_passed_over(line: bytes) -> None:
    assert judged(line + b"\n" + WHOLE).status is Status.PASSED
    assert judged(line).status is Status.CRASHED


@given(st.binary(), st.text(), st.one_of(st.none(), st.integers(0, 255)))
def test_any_bytes_are_judged_and_noise_never_passes(record: bytes, log: str, status: int | None) -> None:
    assert judged(record, status, log).status in (Status.CRASHED, Status.TIMED_OUT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
EVENTS = st.lists(st.dictionaries(st.sampled_from(["start", "end", "outcome", "text", "status"]), JSON))


@given(EVENTS, st.integers(0, 255))
def test_any_events_are_judged(events: list[dict[str, object]], status: int) -> None:
    found = judged(lines(*events), status)
    assert found.status is not Status.NOT_RUN
    assert (found.status is Status.PASSED) <= bool(found.passed)
