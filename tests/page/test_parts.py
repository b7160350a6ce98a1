"""The files of a page's folder are those of the official images' documentation, and say what is so."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from bivy.oci.inspect import PackageReport
from bivy.page.data import CATEGORIES, MOST_SHORT, Publisher, official_image, python_in_general
from bivy.page.facts import Distribution, Facts
from bivy.page.parts import make_files
from bivy.page.verified import Outcome, Verified
from tests.page.images import HOSTILE, bare_facts, python_facts

TOLD = Publisher(
    maintainer="[The team](https://example.org/team)", repository="https://git.example.org/images",
    vulnerabilities="https://example.org/security", help="[the forum](https://example.org/forum)",
)  # fmt: skip


def readme(facts: Facts, publisher: Publisher = TOLD, verified: Verified | None = None) -> str:
    return make_files(facts, publisher, verified)["README.md"].decode()


def section(text: str, title: str) -> str:
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^# |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def verified(*outcomes: Outcome, date: str = "2026-11-25T08:00:00Z") -> Verified:
    return Verified("sha256:" + "0" * 64, date, "0.1.0", outcomes)


def test_the_folder_is_laid_out_as_the_official_images_documentation_is() -> None:
    files = make_files(python_facts(), TOLD, None)
    assert set(files) == {
        "README.md", "README-short.txt", "content.md", "get-help.md", "github-repo", "issues.md", "license.md",
        "logo.svg", "maintainer.md", "metadata.json", "variant-alpine.md",
    }  # fmt: skip
    assert files["github-repo"] == b"https://git.example.org/images\n"
    assert json.loads(files["metadata.json"]) == {"hub": {"categories": ["languages-and-frameworks"]}}
    assert files["metadata.json"].startswith(b'{\n  "hub": {\n    "categories": [\n')
    assert ET.fromstring(files["logo.svg"]).attrib["viewBox"]
    assert b"%%LOGO%%" in files["content.md"]
    assert b"FROM %%IMAGE%%:3.14-alpine3.24" in files["content.md"]
    for name in ("content.md", "license.md", "maintainer.md", "issues.md", "get-help.md", "variant-alpine.md"):
        assert files[name].endswith(b"\n")
        assert not files[name].endswith(b"\n\n")


@pytest.mark.parametrize("text", ["", "short", *HOSTILE])
def test_the_short_description_is_one_line_of_at_most_100_characters(text: str) -> None:
    for facts in (replace(bare_facts(), description=text), python_facts(description=text)):
        short = make_files(facts, Publisher(), None)["README-short.txt"].decode()
        assert short.count("\n") == 1
        assert 0 < len(short.strip()) <= MOST_SHORT


def test_the_readme_is_made_of_the_other_files() -> None:
    files = {name: content.decode() for name, content in make_files(python_facts(), TOLD, None).items()}
    whole = files["README.md"]
    for name in ("content.md", "variant-alpine.md", "license.md", "maintainer.md", "issues.md", "get-help.md"):
        part = files[name].replace("%%IMAGE%%", "python").replace("%%LOGO%%", "![logo](logo.svg)").strip()
        assert part in whole, name
    assert "%%" not in whole


def test_the_same_facts_give_the_same_bytes() -> None:
    assert make_files(python_facts(), TOLD, None) == make_files(python_facts(), TOLD, None)


def test_it_names_the_tags_what_builds_them_and_the_platforms() -> None:
    text = readme(python_facts())
    tags = section(text, "Supported tags and what builds them")
    assert "`3.14.7-alpine3.24`, `3.14-alpine3.24`, `3-alpine3.24`, `alpine3.24`" in tags
    assert "`bivy build 3.14 --alpine 3.24`" in tags
    assert "latest" not in tags
    assert "`linux/amd64`" in section(text, "Quick reference (cont.)")


def test_an_older_series_does_not_claim_the_tags_of_the_newest() -> None:
    tags = section(readme(python_facts(python="3.13.15")), "Supported tags and what builds them")
    assert "`3.13.15-alpine3.24`, `3.13-alpine3.24`:" in tags


def test_an_image_that_says_no_version_claims_no_tag() -> None:
    tags = section(readme(python_facts(python="3.fourteen")), "Supported tags and what builds them")
    assert "None: it is named by its digest" in tags


def test_it_says_where_to_turn_to() -> None:
    text = readme(python_facts())
    assert "[The team](https://example.org/team)" in text
    assert "<https://git.example.org/images/issues>" in text
    assert "<https://example.org/security>; one in Python itself [to its makers]" in text
    silent = readme(python_facts(), Publisher())
    assert "Whoever published this image" in silent
    assert "With whoever published this image" in silent


def test_every_package_is_listed_with_version_licence_and_sizes() -> None:
    facts = python_facts()
    rows = [line for line in section(readme(facts), "What is in it").splitlines() if line.startswith("| `")]
    for package in facts.packages:
        (row,) = [row for row in rows if row.startswith(f"| `{package.name}` ") and package.version in row]
        assert package.license in row
    assert any(row.startswith("| `pip`") and "26.2.1" in row and "MIT" in row for row in rows)


def test_what_is_not_known_is_said_to_be_so() -> None:
    text = readme(bare_facts(), Publisher())
    assert "no package database" in text
    assert "It does not say what it is." in text
    assert "there is no report of `bivy verify`" in text
    assert "the image does not say how" in text
    assert "Python" not in text


def test_an_image_of_an_application_is_started_and_not_built_upon() -> None:
    text = readme(bare_facts())
    assert "$ docker run --rm -p 80:80/tcp example.org/team/web:1" in text
    assert "FROM" not in text
    assert "variant-alpine.md" not in make_files(bare_facts(), TOLD, None)


def test_what_somebody_else_made_is_not_said_to_be_bivys() -> None:
    text = readme(python_facts(vendor=""))
    assert "bivy build" not in text
    assert "Beside the official image" not in text
    assert "The caveat is musl" in text


def test_it_says_what_was_passed_and_when_and_what_was_not() -> None:
    told = verified(
        Outcome("a", "No file is writable", "root", "passed"),
        Outcome("b", "Every link leads somewhere", "root", "failed", ("/x", "/y|z", "/3", "/4")),
        Outcome("c", "It starts", "official", "skipped", reason="no emulator"),
        Outcome("d", "The suite passes", "suite", "passed", date="2026-11-20T00:00:00Z"),
    )
    text = section(readme(python_facts(), verified=told), "What it passes")
    assert "checked this image on 2026-11-25: it passes 2 of 3; 1 could not be made here or were left out." in text
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert [re.sub(" +", " ", line) for line in lines] == [
        "| Every link leads somewhere | root | failed: /x; /y\\|z; /3; and 1 more |",
        "| No file is writable | root | passed |",
        "| The suite passes | suite | passed (2026-11-20) |",
        "| It starts | official | skipped: no emulator |",
    ]


def test_where_everything_is_passed_it_says_all() -> None:
    told = verified(Outcome("a", "No file is writable", "root", "passed"))
    assert "it passes all 1." in readme(python_facts(), verified=told)


def test_figures_of_the_official_image_stand_beside_those_read_from_this_one() -> None:
    official = official_image()
    facts = python_facts(size=8_887_499)
    text = section(readme(facts), f"Beside {official.title}")
    (row,) = [line for line in text.splitlines() if line.startswith("| To download")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["8.9 MB", "17.8 MB", "0.50"]
    assert cells[5] == "2026-11-22"
    assert all(figure.when and figure.measured for figure in official.figures)


def test_figures_are_only_of_images_that_can_be_compared() -> None:
    for other in (python_facts(platform="linux/arm64/v8"), python_facts(python="3.13.1"), bare_facts()):
        assert "Beside" not in readme(other)


def test_versions_that_differ_from_the_official_images_are_told() -> None:
    package = PackageReport("tzdata", "2026c-r0", "Public-Domain", 1, 1)
    same = PackageReport("gdbm", "1.26-r7", "GPL-3.0-or-later", 1, 1)
    text = section(readme(python_facts(packages=(package, same))), "Beside the official image")
    assert re.search(r"\| `tzdata` +\| 2026c +\| 2026d +\|", text)
    assert "gdbm" not in text


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_an_image_says_of_itself_stays_text(text: str) -> None:
    facts = replace(
        bare_facts(), description=text, system=text, python="", musl=text, command=text, user=text, working_dir=text,
        created=text, platform=text, vendor=text, environment={text: text},
        packages=(PackageReport(text, text, text, 1, 1, text),), has_database=True,
        distributions=(Distribution(text, text, text, 1),),
    )  # fmt: skip
    for each in (facts, replace(facts, python="3.14.7", command="python3", has_apk=True, repositories=(text,))):
        said = text.encode("utf-8", "replace").decode()  # what was read as JSON
        told = verified(Outcome(said, said, said, "failed", (said,), said, said), date=said)
        page = readme(each, verified=told)
        tokens = MarkdownIt("commonmark").enable("table").parse(page)
        inner = [child for token in tokens for child in token.children or []]
        assert not [token for token in tokens if token.type == "html_block"][1:], "only the note at the top is HTML"
        assert not [child for child in inner if child.type == "html_inline"]
        assert [child.attrs["src"] for child in inner if child.type == "image"] == ["logo.svg"]
        assert not [child for child in inner if child.type == "link_open" and "example.org/?a" in str(child.attrs)]
        widths = {
            len([1 for token in row if token.type in ("td_open", "th_open")]) for row in _rows(tokens)
        }  # fmt: skip
        assert 0 not in widths
        assert "%%" not in page
        assert page.encode()


def _rows(tokens: list) -> list:  # type: ignore[type-arg]
    starts = [at for at, token in enumerate(tokens) if token.type == "tr_open"]
    return [tokens[at : next(end for end in range(at, len(tokens)) if tokens[end].type == "tr_close")] for at in starts]


def test_the_data_that_comes_with_bivy_is_within_its_own_limits() -> None:
    about = python_in_general()
    assert len(about.short.format(minor="3.14")) <= MOST_SHORT
    assert set(about.categories) <= set(CATEGORIES)
