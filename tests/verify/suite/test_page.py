"""The page of the suite says what is known, and the figures of the last whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.errors import UsageError
from bivy.progress import Silent
from bivy.verify.suite.known import Known, read_known
from bivy.verify.suite.page import PAGE, read_figures, render, write_figures
from bivy.verify.suite.report import FileOutcome, Status, SuiteReport
from bivy.verify.suite.tree import unpacked_tests


def a_report(version: str) -> SuiteReport:
    files = (FileOutcome("test_os", Status.PASSED, ("a",) * 1234), FileOutcome("test_tcl", Status.SKIPPED))
    return SuiteReport("python:x", "sha256:0", "linux/amd64", version, "2026-11-25T01:02:03Z", 90.0, files,
                       (), (), (), whole=True)  # fmt: skip


def test_the_page_is_what_the_data_says() -> None:
    assert PAGE.read_text() == render(read_known(), read_figures()), "python -m bivy.verify.suite.page writes it anew"


def test_the_figures_are_of_what_is_known_now() -> None:
    for figures in read_figures().values():
        assert figures.failed_otherwise == figures.skipped_otherwise == 0


def test_figures_of_each_series_are_kept_side_by_side(tmp_path: Path) -> None:
    for version in ("3.13.15", "3.14.7", "3.13.16"):
        write_figures(a_report(version), tmp_path / "figures.json", tmp_path / "suite.md")
    figures = read_figures(tmp_path / "figures.json")
    assert {series: each.version for series, each in figures.items()} == {"3.13": "3.13.16", "3.14": "3.14.7"}
    page = (tmp_path / "suite.md").read_text()
    assert "| CPython | 3.13.16 | 3.14.7 |\n" in page
    assert "| tests run | 1,234 | 1,234 |\n" in page
    assert "| run on | 2026-11-25 | 2026-11-25 |\n" in page


def test_each_reason_is_on_the_page_below_what_it_is_because_of() -> None:
    known = [
        Known(
            ("test.test_a.B.c",), "musl", "Its strings are longer.", issue="https://github.com/python/cpython/issues/1"
        ),
        Known(("test_d",), "sandbox", "It has one user.", how="crashed", series=("3.14",), sometimes=True),
    ]
    page = render(known, {})
    musl, sandbox = page.index("### Because of musl"), page.index("### Because of the sandbox")
    assert musl < page.index("Its strings are longer. ([gh-1](https://github.com/python/cpython/issues/1))") < sandbox
    assert sandbox < page.index("Crash: `test_d`") < page.index("It has one user. Python 3.14. Not always.")


def test_a_version_that_bivy_has_no_source_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of which bivy has no source, and so no tests"):
        unpacked_tests("3.9.1", cache=tmp_path, progress=Silent())
