"""The page of HTML says what the README says, loads nothing, and lets nothing run."""

from __future__ import annotations

import functools
import re
from dataclasses import replace

import pytest

from bivy.oci.inspect import FileReport, PackageReport
from bivy.page.data import Publisher
from bivy.page.facts import Facts
from bivy.page.html import as_html
from bivy.page.parts import make_files
from bivy.page.verified import Outcome, Verified
from tests.page.images import HOSTILE, bare_facts, python_facts
from tests.webpages import (
    Element,
    Reader,
    assert_allowed,
    assert_headings_in_order,
    assert_links_by_http,
    assert_no_handlers,
    assert_well_formed,
)

VERIFIED = Verified(
    "sha256:0", "2026-11-25T08:00:00Z", "0.1.0",
    (Outcome("a", "It holds", "root", "passed"), Outcome("b", "It does not", "root", "failed", ("/x",))),
)  # fmt: skip
EMPTY = replace(bare_facts(), files=(), layers=(), unpacked=0)


def hostile(text: str) -> Facts:
    files = (FileReport(f"srv/{text}".replace("\x1b", ""), 10**6, 0, text), FileReport("x", 10**6, 0, ""))
    return replace(
        bare_facts(), description=text, system=text, command=text, platform=text, files=files, unpacked=2 * 10**6,
        packages=(PackageReport(text, text, text, 10**6, 1, text),), has_database=True, environment={text: text},
        layers=(replace(bare_facts().layers[0], created_by=f"bivy build: {text}"),),
    )  # fmt: skip


FACTS = {"python": python_facts(), "bare": bare_facts(), "empty": EMPTY} | {
    f"hostile {number}": hostile(text) for number, text in enumerate(HOSTILE)
}


def html(facts: Facts, verified: Verified | None = VERIFIED) -> str:
    return as_html(facts, make_files(facts, Publisher(), verified)).decode()


@functools.cache
def text_of(name: str) -> str:
    return html(FACTS[name])


def page(name: str) -> Element:
    return Reader(text_of(name)).root


@pytest.mark.parametrize("name", FACTS)
class TestEveryPage:
    def test_is_well_formed_with_identifiers_that_are_unique_and_links_that_lead_to_them(self, name: str) -> None:
        assert_well_formed(page(name))

    def test_loads_nothing_runs_nothing_and_says_so(self, name: str) -> None:
        root = page(name)
        assert not [one for one in root.all() if {"src", "srcset", "data", "poster", "action"} & set(one.attributes)]
        for forbidden in ("script", "link", "img", "iframe", "object", "base", "form", "image", "use"):
            assert not root.all(forbidden), forbidden
        assert_no_handlers(root)
        assert_allowed(root, "style")
        assert not re.search(r"@import|url\(", root.all("style")[0].text)

    def test_has_its_headings_in_order(self, name: str) -> None:
        assert_headings_in_order(page(name))

    def test_has_tables_with_as_many_cells_in_each_row(self, name: str) -> None:
        for table in page(name).all("table"):
            widths = {len([one for one in row.all() if one.name in ("th", "td")]) for row in table.all("tr")}
            assert len(widths) == 1

    def test_links_elsewhere_only_by_http(self, name: str) -> None:
        assert_links_by_http(page(name))

    def test_has_nothing_that_a_browser_obeys_unseen(self, name: str) -> None:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text_of(name))


def test_the_picture_has_every_large_block_a_title_for_each_and_a_list_that_says_the_same() -> None:
    root = page("python")
    wide, narrow = [svg for svg in root.all("svg") if "map" in svg.classes]
    assert ("wide" in wide.classes, "narrow" in narrow.classes) == (True, True)
    titles = [one.text for one in wide.all("title")]
    assert "python \u203a python \u203a /usr/local/bin/python3.14: 30.0 kB" in titles
    assert len(titles) == len(wide.all("rect")) == len(wide.all("g"))
    assert all(svg.attributes["aria-label"] for svg in (wide, narrow))
    listed = [one.text for one in next(one for one in root.all("details") if "list" in one.classes).all("li")]
    assert "/usr/local/bin/python3.14: 30.0 kB" in [text.strip() for text in listed]


def test_it_says_what_the_readme_says() -> None:
    text = page("python").text
    words = ["Supported tags and what builds them", "3.14.7-alpine3.24", "RUN apk add --no-cache bash", "26.2.1"]
    words += ["A language, with pip", "The caveat is musl", "It does not", "17.8 MB"]
    for word in words:
        assert word in text, word


def test_outcomes_are_marked() -> None:
    cells = [cell for cell in page("python").all("td") if cell.attributes.get("data-label") == "outcome"]
    assert [(cell.text, cell.attributes["class"]) for cell in cells] == [("failed: /x", "failed"), ("passed", "passed")]


def test_the_prompt_is_apart_from_what_is_typed() -> None:
    prompts = [one for one in page("python").all("span") if "prompt" in one.classes]
    assert len(prompts) >= 6
    assert {one.text for one in prompts} == {"$ "}


def test_the_same_facts_give_the_same_bytes() -> None:
    assert html(python_facts()) == html(python_facts())


def test_an_empty_image_has_no_picture() -> None:
    assert not [svg for svg in page("empty").all("svg") if "map" in svg.classes]


def test_bytes_that_a_higher_layer_hides_are_told() -> None:
    facts = python_facts()
    layers = (replace(facts.layers[0], unpacked=facts.layers[0].unpacked + 5_000_000), *facts.layers[1:])
    assert "5.0 MB more are in lower layers" in html(replace(facts, layers=layers))
    assert "more are in lower layers" not in html(facts)
