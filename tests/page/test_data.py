"""What a publisher says in page.toml counts, and what is wrong in it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.errors import UsageError
from bivy.page.data import Publisher, read_publisher

WRONG = {
    'maintaner = "x"': "unknown key `maintaner`; is `maintainer` meant",
    "maintainer = 1": "maintainer: this has to be a text",
    'repository = "git@example.org:x"': "repository: this has to be an address",
    'repository = "https://x)](y"': "repository: this has to be an address",
    'issues = "mailto:x@example.org"': "issues: this has to be an address",
    'categories = ["languages"]': "Docker Hub has no category 'languages'",
    'categories = ["security", "networking", "databases-and-storage", "web-servers"]': "categories: the most is 3",
    f'short = "{"x" * 101}"': "short: the most is 100 characters, and these are 101",
    'short = """a\nb"""': "short: this has to be one line",
    "short = ": "this is not TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "page.toml").write_text(f"# here\n{text}\n")
    with pytest.raises(UsageError) as fault:
        read_publisher(tmp_path)
    assert f"{tmp_path}/page.toml:2: " in str(fault.value)
    assert WRONG[text] in str(fault.value)


def test_what_is_said_counts(tmp_path: Path) -> None:
    (tmp_path / "page.toml").write_text('maintainer = "we"\ncategories = ["security"]\n')
    assert read_publisher(tmp_path) == Publisher(maintainer="we", categories=("security",))


def test_a_folder_that_says_nothing_or_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert read_publisher(tmp_path) == read_publisher(tmp_path / "none") == Publisher()


def test_the_repository_may_stand_where_the_official_images_documentation_has_it(tmp_path: Path) -> None:
    (tmp_path / "github-repo").write_text("https://git.example.org/images\n")
    assert read_publisher(tmp_path).repository == "https://git.example.org/images"
    (tmp_path / "page.toml").write_text('repository = "https://other.example.org"\n')
    assert read_publisher(tmp_path).repository == "https://other.example.org"
    (tmp_path / "page.toml").unlink()
    (tmp_path / "github-repo").write_text("nowhere\n")
    with pytest.raises(UsageError, match="github-repo: this has to be an address"):
        read_publisher(tmp_path)
