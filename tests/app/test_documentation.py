"""docs/project-table.md explains every key of [tool.bivy], and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from bivy.app.options import AppOptions
from bivy.app.project import read_project
from bivy.app.table import read_document
from bivy.app.values import HOME, UNPRIVILEGED
from tests.app.projects import write_files

PAGE = Path(__file__).parents[2] / "docs" / "project-table.md"


def rows() -> list[list[str]]:
    table = PAGE.read_text("utf-8").partition("## The keys")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_key_is_explained_in_the_order_in_which_it_is_defined() -> None:
    assert [row[0].strip("` ") for row in rows()] == [field.encode_name for field in msgspec.structs.fields(AppOptions)]


def test_a_default_that_is_nothing_is_said_to_be_none(tmp_path: Path) -> None:
    write_files(tmp_path, {"main.py": ""})
    project = read_project(tmp_path)
    for key, _, default in (row for row in rows() if row[2].startswith("none")):
        assert not getattr(project.options, key.strip("` ").replace("-", "_")), f"{key}: {default}"


def test_the_defaults_are_those_that_are_named(tmp_path: Path) -> None:
    defaults = {row[0].strip("` "): row[2] for row in rows()}
    write_files(tmp_path, {"main.py": ""})
    assert read_project(tmp_path).python in defaults["python"]
    assert UNPRIVILEGED in defaults["user"]
    assert f"`{HOME}`" in defaults["workdir"]


def test_the_example_is_right(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0]
    write_files(tmp_path, {"pyproject.toml": f'[project]\nname = "shop"\nversion = "1"\n{example}', "shop/web.py": ""})
    assert read_document(tmp_path / "pyproject.toml").table["tool"]["bivy"]
    assert read_project(tmp_path).options.packages == ("git",)
