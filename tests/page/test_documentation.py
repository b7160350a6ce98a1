"""docs/page.md explains every key of page.toml and every file of a page, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from bivy.page.data import Publisher, read_publisher
from bivy.page.parts import make_files
from bivy.page.verified import Verified
from tests.page.images import python_facts

PAGE = (Path(__file__).parents[2] / "docs" / "page.md").read_text("utf-8")


def first_cells(heading: str) -> list[str]:
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in part.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_every_key_is_explained_in_the_order_in_which_it_is_defined() -> None:
    keys = [field.encode_name for field in msgspec.structs.fields(Publisher)]
    assert first_cells("What only the publisher knows") == keys


def test_every_file_is_explained() -> None:
    verified = Verified("sha256:0", "2026-11-25T08:00:00Z", "0.1.0", ())
    files = make_files(python_facts(), Publisher(repository="https://example.org"), verified)
    assert sorted(first_cells("What is written")) == sorted(files)


def test_the_example_is_right(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
    (tmp_path / "page.toml").write_text(example)
    assert read_publisher(tmp_path).repository == "https://git.example.org/images"
