"""A report as a page."""

from __future__ import annotations

import re

import pytest

from bivy.musl.render.html import as_html
from bivy.musl.render.summary import plain, sentence
from tests.musl.render.samples import HOSTILE, REPORTS, chain, project
from tests.webpages import (
    Element,
    Reader,
    assert_allowed,
    assert_headings_in_order,
    assert_links_by_http,
    assert_no_handlers,
    assert_well_formed,
)


def page(name: str) -> Element:
    return Reader(as_html(REPORTS[name])).root


@pytest.mark.parametrize("name", REPORTS)
class TestEveryPage:
    def test_is_well_formed_with_identifiers_that_are_unique_and_links_that_lead_to_them(self, name: str) -> None:
        assert_well_formed(page(name))

    def test_loads_nothing_and_says_so(self, name: str) -> None:
        text = as_html(REPORTS[name])
        root = Reader(text).root
        assert not [one for one in root.all() if {"src", "srcset", "data", "poster", "action"} & set(one.attributes)]
        assert not root.all("link") + root.all("img") + root.all("iframe") + root.all("object") + root.all("base")
        assert not re.search(r"@import|url\(|fetch\(|import\(|XMLHttpRequest", text)
        policy = next(one for one in root.all("meta") if one.attributes.get("http-equiv"))
        assert policy.attributes["content"].startswith("default-src 'none'")

    def test_runs_its_own_script_and_style_alone(self, name: str) -> None:
        root = page(name)
        for kind in ("style", "script"):
            assert_allowed(root, kind)
        assert_no_handlers(root)

    def test_has_its_headings_in_order(self, name: str) -> None:
        assert_headings_in_order(page(name))

    def test_has_tables_whose_headers_say_what_they_are_headers_of(self, name: str) -> None:
        for table in page(name).all("table"):
            assert {one.attributes["scope"] for one in table.all("th")} == {"col", "row"}
            widths = {len([one for one in row.all() if one.name in ("th", "td")]) for row in table.all("tr")}
            assert len(widths) == 1

    def test_links_elsewhere_only_by_http(self, name: str) -> None:
        assert_links_by_http(page(name))

    def test_begins_with_the_answer(self, name: str) -> None:
        (heading,) = page(name).all("h1")
        assert heading.text == sentence(REPORTS[name])

    def test_does_not_ask_for_a_script_to_be_read(self, name: str) -> None:
        assert not [one for one in page(name).all() if "hidden" in one.attributes or one.name in ("button", "input")]


def section(root: Element, name: str) -> Element:
    return next(one for one in root.all("section") if one.attributes["aria-labelledby"] == name)


def test_every_distribution_is_in_the_table_with_a_verdict_for_each_target() -> None:
    rows = section(page("project"), "distributions").all("tr")
    assert [cell.text.strip() for cell in rows[0].all("th")] == ["Distribution", "x86_64", "aarch64", "Why"]
    names = [row.all("th")[0].text.split()[0] for row in rows[1:]]
    assert sorted(names) == sorted({one.name for one in project().found.distributions})
    assert names[:2] == ["onnxruntime", "internal-billing"]
    pyodbc = rows[1 + names.index("pyodbc")]
    assert [cell.text for cell in pyodbc.all("td")[:2]] == ["musllinux", "probably compile"]


def test_with_one_target_the_table_has_one_verdict() -> None:
    head = section(page("one target"), "distributions").all("tr")[0]
    assert [cell.text for cell in head.all("th")] == ["Distribution", "Verdict", "Why"]


def test_the_tree_shows_every_distribution_in_full_once() -> None:
    tree = section(page("project"), "tree")
    shown = [one.attributes["id"][2:] for one in tree.all("li") if "id" in one.attributes]
    assert sorted(shown) == sorted({one.name for one in project().found.distributions})


def test_the_tree_is_unfolded_where_there_is_something_to_do() -> None:
    folds = section(page("project"), "tree").all("details")
    unfolded = [one.all("summary")[0].all("a")[0].text for one in folds if "open" in one.attributes]
    assert unfolded == ["onnxruntime"]


def test_verdicts_are_words_and_guesses_are_marked_in_words() -> None:
    verdicts = [one for one in page("project").all("span") if "verdict" in one.classes]
    assert all(one.text for one in verdicts)
    guessed = [one.text for one in verdicts if "guess" in one.classes and "warning" not in one.classes]
    assert guessed
    assert all(one.startswith("probably ") for one in guessed)
    findings = [one for one in section(page("project"), "findings").all("li") if "warning" in one.text]
    assert all("probably:" in one.text for one in findings)


def test_findings_stand_below_their_file_with_what_to_write_instead() -> None:
    findings = section(page("project"), "findings")
    assert [one.text for one in findings.all("h3")] == [
        "app/native/prctl.py", "app/report.py", "vendor/fastlib-1.2-cp314-cp314-linux_x86_64.whl:fastlib/_core.so",
        "app/tree.py",
    ]  # fmt: skip
    first = findings.all("li")[0].text
    assert "line 7:8" in first
    assert "ctypes.CDLL('libc.so.6', use_errno=True)" in first
    assert "Instead: Load what is loaded already: ctypes.CDLL(None)" in first


def test_what_to_do_comes_first_with_commands_that_can_be_copied() -> None:
    root = page("project")
    assert root.all("section")[0].attributes["aria-labelledby"] == "steps"
    commands = [one.text for one in section(root, "steps").all("pre")]
    assert "bivy wheel confluent-kafka==2.12.2 pyodbc==5.3.0" in commands


def test_silenced_findings_problems_and_how_it_was_found_out_are_there() -> None:
    root = page("project")
    assert "only runs on the old servers" in section(root, "silenced").text
    assert "unterminated string literal" in section(root, "problems").text
    assert "212 source files" in section(root, "how").text
    assert "linux/arm64/v8" in section(root, "how").text


def test_sections_that_would_be_empty_are_left_out() -> None:
    assert [one.attributes["aria-labelledby"] for one in page("code alone").all("section")] == ["how"]


def test_hostile_text_is_text() -> None:
    root = page("hostile")
    assert len(root.all("script")) == 1
    assert not [one for one in root.all() if one.name in ("bold", "b") and "alert" in "".join(one.attributes)]
    shown = plain(HOSTILE)
    for name in ("steps", "distributions", "findings", "silenced", "problems", "how"):
        assert "alert(1)" in section(root, name).text
    assert section(root, "distributions").all("th")[3].text.startswith(shown)
    as_html(REPORTS["hostile"]).encode()
    assert "{{7*7}}" in root.text


def test_no_control_character_gets_into_a_page() -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", as_html(REPORTS["hostile"]))


def test_requirements_may_be_nested_deeper_than_python_can_recurse() -> None:
    assert as_html(chain(3000)).count("<details") >= 2999
