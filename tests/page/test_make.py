"""A page is written, is found to be current or out of date, and overwrites nothing that is not its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bivy.errors import UsageError
from bivy.oci.layout import write_image
from bivy.page.make import Question, make_page, out_of_date, write_page
from bivy.page.verified import VERIFIED, Outcome, Verified, newer, read_verified, write_verified
from bivy.verify import record
from bivy.verify.report import Outcome as Checked
from bivy.verify.report import Report, Status
from tests.page.images import CONFIG, image_of, python_image, python_packages


@pytest.fixture
def question(tmp_path: Path) -> Question:
    write_image(python_image(), tmp_path / "dist", ["python:3.14-alpine"])
    return Question("python:3.14-alpine", tmp_path / "dist", tmp_path / "page")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def checked(digest: str, cache: Path, *, date: str, status: Status = Status.PASSED) -> None:
    outcomes = (Checked("links", "Every link leads somewhere", "root", status),)
    record.keep(Report("python:3.14-alpine", digest, "linux/amd64", date, "0.1.0", outcomes), cache)


def test_a_written_page_is_current_and_is_not_written_again(question: Question, cache: Path) -> None:
    page = make_page(question, cache=cache)
    assert set(write_page(page, question.folder)) == set(page.files)
    times = {path.name: path.stat().st_mtime_ns for path in question.folder.iterdir()}
    assert write_page(make_page(question, cache=cache), question.folder) == ()
    assert {path.name: path.stat().st_mtime_ns for path in question.folder.iterdir()} == times
    assert out_of_date(make_page(question, cache=cache, looking=True), question.folder) == ()


def test_an_image_that_has_changed_makes_a_page_out_of_date_and_the_lines_are_named(
    question: Question, cache: Path
) -> None:
    write_page(make_page(question, cache=cache), question.folder)
    base, musl, python = python_packages()
    newer_python = replace(python, info=replace(python.info, version="3.14.7-r1"))
    write_image(image_of([[base, musl], [newer_python]]), question.layout, ["python:3.14-alpine"])
    found = {each.name: each for each in out_of_date(make_page(question, cache=cache, looking=True), question.folder)}
    assert set(found) == {"README.md", "content.md"}
    assert any(line.startswith("+| `python`") and "3.14.7-r1" in line for line in found["content.md"].lines)


def test_what_was_edited_removed_or_is_left_over_is_named(question: Question, cache: Path) -> None:
    write_page(make_page(question, cache=cache), question.folder)
    (question.folder / "license.md").write_text("Mine.\n")
    (question.folder / "logo.svg").unlink()
    (question.folder / VERIFIED).write_bytes(write_verified(Verified("sha256:" + "1" * 64, "2026", "0", ())))
    (question.folder / "notes.txt").write_text("nobody's business")
    found = out_of_date(make_page(question, cache=cache, looking=True), question.folder)
    assert [(each.name, each.state) for each in found] == [
        ("license.md", "changed"), ("logo.svg", "missing"), (VERIFIED, "left over"),
    ]  # fmt: skip
    write_page(make_page(question, cache=cache), question.folder)
    assert names(question.folder) - set(make_page(question, cache=cache).files) == {"notes.txt"}


def test_a_page_that_is_not_there_is_out_of_date(question: Question, cache: Path) -> None:
    page = make_page(question, cache=cache, looking=True)
    assert {each.state for each in out_of_date(page, question.folder)} == {"missing"}
    assert not question.folder.exists()


def test_the_last_report_is_told_and_kept_beside_the_page(question: Question, cache: Path) -> None:
    digest = make_page(question, cache=cache).facts.digest
    checked(digest, cache, date="2026-11-25T08:00:00Z")
    page = make_page(question, cache=cache)
    assert b"checked this image on 2026-11-25: it passes all 1." in page.files["README.md"]
    write_page(page, question.folder)
    kept = read_verified(question.folder, digest)
    assert kept
    assert kept.outcomes == (Outcome("links", "Every link leads somewhere", "root", "passed"),)


def test_a_committed_page_stays_current_where_nobody_or_somebody_else_checked_the_image(
    question: Question, cache: Path, tmp_path: Path
) -> None:
    digest = make_page(question, cache=cache).facts.digest
    checked(digest, cache, date="2026-11-25T08:00:00Z")
    write_page(make_page(question, cache=cache), question.folder)
    assert out_of_date(make_page(question, cache=tmp_path / "other", looking=True), question.folder) == ()
    checked(digest, cache, date="2026-11-26T08:00:00Z", status=Status.FAILED)
    assert out_of_date(make_page(question, cache=cache, looking=True), question.folder) == ()
    assert b"2026-11-26: it passes 0 of 1" in make_page(question, cache=cache).files["README.md"]


def test_a_report_of_another_image_does_not_count(question: Question, cache: Path) -> None:
    checked("sha256:" + "1" * 64, cache, date="2026-11-25T08:00:00Z")
    assert VERIFIED not in make_page(question, cache=cache).files


def test_the_later_of_two_reports_counts() -> None:
    early, late = (Verified("sha256:0", date, "0", ()) for date in ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"))
    assert newer(early, late) == newer(late, early) == newer(None, late) == newer(late, None) == late
    assert newer(None, None) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"digest": 1}', b"[" * 100_000])
def test_a_damaged_report_beside_a_page_is_refused(question: Question, cache: Path, content: bytes) -> None:
    question.folder.mkdir()
    (question.folder / VERIFIED).write_bytes(content)
    with pytest.raises(UsageError, match=f"{VERIFIED} is damaged"):
        make_page(question, cache=cache)


def test_a_readme_that_somebody_wrote_is_not_overwritten(question: Question, cache: Path) -> None:
    question.folder.mkdir()
    (question.folder / "README.md").write_text("# My project\n")
    with pytest.raises(UsageError, match="was not written by bivy page"):
        make_page(question, cache=cache)
    assert names(question.folder) == {"README.md"}


def test_a_file_in_the_place_of_the_folder_is_refused(question: Question, cache: Path) -> None:
    question.folder.write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        make_page(question, cache=cache)


def test_what_the_publisher_leaves_open_is_told(question: Question, cache: Path) -> None:
    assert make_page(question, cache=cache).gaps == ("maintainer", "issues", "vulnerabilities")
    question.folder.mkdir()
    (question.folder / "page.toml").write_text('repository = "https://example.org"\nmaintainer = "we"\n')
    assert make_page(question, cache=cache).gaps == ("vulnerabilities",)


def test_the_page_can_call_the_image_otherwise(question: Question, cache: Path) -> None:
    page = make_page(replace(question, name="ghcr.io/team/python:3.14"), cache=cache)
    assert b"FROM ghcr.io/team/python:3.14\n" in page.files["README.md"]
    assert b"FROM %%IMAGE%%:3.14\n" in page.files["content.md"]


def test_the_same_image_gives_the_same_page_in_another_folder(question: Question, cache: Path, tmp_path: Path) -> None:
    other = replace(question, folder=tmp_path / "elsewhere")
    assert make_page(question, cache=cache).files == make_page(other, cache=cache).files


def test_the_configuration_is_read_from_the_image(question: Question, cache: Path) -> None:
    changed = python_image(env=(*CONFIG.env, "GREETING=a|b `c`"), user="nobody", working_dir="/srv")
    write_image(changed, question.layout, ["python:3.14-alpine"])
    text = make_page(question, cache=cache).files["README.md"].decode()
    assert "| `GREETING`" in text
    assert "a\\|b \\`c\\`" in text
    assert "| User " in text
    assert "`nobody`" in text
