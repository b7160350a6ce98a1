"""``bivy page`` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bivy.oci.layout import write_image
from tests.cli.test_commands import bivy, refusal
from tests.page.images import python_image


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    write_image(python_image(), tmp_path / "dist", ["python:3.14-alpine"])
    return ["page", "python:3.14-alpine", "--layout", f"{tmp_path}/dist", "-o", f"{tmp_path}/page"]


def test_it_writes_the_folder_and_says_what_it_wrote_and_what_nobody_told(words: list[str], tmp_path: Path) -> None:
    done = bivy(*words, BIVY_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("python:3.14-alpine  sha256:")
    assert f"in {tmp_path}/page: README-short.txt, README.md, content.md" in done.stdout
    assert "page.toml does not say: maintainer, issues, vulnerabilities" in done.stderr
    assert (tmp_path / "page/README.md").read_text().startswith("<!--")
    again = bivy(*words, "-q", BIVY_CACHE=str(tmp_path / "cache"))
    assert "nothing has changed" in again.stdout
    assert again.stderr == ""


def test_check_is_0_for_a_current_page_and_1_for_one_that_is_not(words: list[str], tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    html = ["--html", f"{tmp_path}/page.html"]
    missing = bivy(*words, *html, "--check", BIVY_CACHE=cache)
    assert missing.returncode == 1
    assert "missing   README.md" in missing.stdout
    assert "missing   page.html" in missing.stdout
    assert not (tmp_path / "page").exists()
    bivy(*words, *html, BIVY_CACHE=cache)
    current = bivy(*words, *html, "--check", BIVY_CACHE=cache)
    assert (current.returncode, "is up to date" in current.stdout) == (0, True)
    (tmp_path / "page/license.md").write_text("Mine.\n")
    brief = bivy(*words, *html, "--check", BIVY_CACHE=cache)
    assert (brief.returncode, brief.stdout) == (1, "changed   license.md\n")
    assert "bivy page writes it anew" in brief.stderr
    assert "\n-Mine.\n" in bivy(*words, *html, "--check", "-v", BIVY_CACHE=cache).stdout
    assert (tmp_path / "page/license.md").read_text() == "Mine.\n"


def test_json_says_the_same(words: list[str], tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    made = json.loads(bivy(*words, "--json", BIVY_CACHE=cache).stdout)
    assert (made["image"], made["platform"], made["html"]) == ("python:3.14-alpine", "linux/amd64", None)
    assert made["changed"] == made["files"]
    (tmp_path / "page/logo.svg").unlink()
    found = json.loads(bivy(*words, "--json", "--check", BIVY_CACHE=cache).stdout)
    assert (found["current"], [one["file"] for one in found["differences"]]) == (False, ["logo.svg"])


def test_wrong_questions_are_refused(words: list[str], tmp_path: Path) -> None:
    assert "has no image 'python:4'" in refusal("page", "python:4", *words[2:])
    assert "not what an image can be called" in refusal(*words, "--name", "No Name")
    assert "is not for linux/s390x" in refusal(*words, "--platform", "s390x")
    (tmp_path / "page").mkdir()
    (tmp_path / "page/page.toml").write_text("maintainers = 1\n")
    assert "page.toml:1: unknown key `maintainers`; is `maintainer` meant?" in refusal(*words)
    (tmp_path / "page/page.toml").unlink()
    (tmp_path / "page/README.md").write_text("mine")
    assert "was not written by bivy page" in refusal(*words)
