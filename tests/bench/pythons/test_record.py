"""What was measured is kept, and a run goes on with what is of the same thing only."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from bench.pythons.record import continued, new_record, read_record, write_record

from bivy.errors import BivyError, UsageError
from tests.bench.pythons.records import facts, record

VALUES = {"programs/nbody": {"base": [1.0, 2.0], "other": [3.0, 4.0]}}


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = record(VALUES, {"base": 5, "other": 6})
    written.fail("programs/chaos", "other", "no")
    write_record(written, tmp_path / "record.json")
    assert read_record(tmp_path / "record.json") == written


def test_the_least_of_a_round_counts() -> None:
    assert record(VALUES).rounds("programs/nbody", "other") == {0: {"": 3.0}, 1: {"": 4.0}}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 1}', b"\xff", b'{"format":'])
def test_what_is_no_record_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(BivyError, match=r"record\.json is not a record"):
        read_record(path)


def test_a_record_of_another_format_is_refused(tmp_path: Path) -> None:
    write_record(msgspec.structs.replace(record(VALUES), format=7), tmp_path / "record.json")
    with pytest.raises(BivyError, match="has format 7"):
        read_record(tmp_path / "record.json")


def test_a_record_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match="No such file"):
        read_record(tmp_path / "record.json")


def test_a_run_goes_on_with_the_values_there_are_and_tries_again_what_failed() -> None:
    old = record(VALUES)
    old.fail("programs/chaos", "other", "no")
    found = continued(old, record({"programs/nbody": {"base": [], "other": []}}))
    assert found.runs == old.runs
    assert found.failures == {}


def test_a_run_does_not_go_on_with_values_of_another_python() -> None:
    new = msgspec.structs.replace(record(VALUES), sides=[facts("base"), facts("other", "musl 1.2.5")])
    with pytest.raises(UsageError, match=r"other sides: other has libc musl 1.2.6, now musl 1.2.5"):
        continued(record(VALUES), new)


def test_a_run_does_not_go_on_with_values_of_other_sides() -> None:
    with pytest.raises(UsageError, match="base, other; now base, third"):
        continued(record(VALUES), record({"programs/nbody": {"base": [], "third": []}}))


def test_a_run_does_not_go_on_with_values_of_another_machine() -> None:
    with pytest.raises(UsageError, match="other machine"):
        continued(record(VALUES), msgspec.structs.replace(record(VALUES), processor="another"))


def test_a_new_record_says_what_machine_this_is() -> None:
    found = new_record([facts("base")], "base", programs="1", dependencies="2")
    assert found.processor
    assert found.cores > 0
