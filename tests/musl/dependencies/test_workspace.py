"""Projects that share a lock are found from any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.musl.dependencies.workspace import find_workspace


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)
    return folder


def named(name: str) -> str:
    return f'[project]\nname = "{name}"\nversion = "1"\n'


ROOT = """
[tool.uv.workspace]
members = ["packages/*", "../outside"]
exclude = ["packages/not"]
[tool.uv.sources]
core = { workspace = true }
"""


def test_members_are_those_that_patterns_mean_and_none_that_are_left_out(tmp_path: Path) -> None:
    root = write(tmp_path / "ws", named("Shop_Root") + ROOT)
    core = write(root / "packages/core", named("core"))
    write(root / "packages/not", named("not"))
    write(root / "packages/damaged", "[project")
    found = find_workspace(core)
    assert found
    assert (found.root, dict(found.members)) == (root, {"shop-root": root, "core": core})
    assert dict(found.sources) == {"core": {"workspace": True}}
    assert find_workspace(root) == found


def test_a_project_below_that_is_no_member_belongs_to_none(tmp_path: Path) -> None:
    root = write(tmp_path / "ws", ROOT)
    assert find_workspace(write(root / "packages/not", named("not"))) is None
    assert find_workspace(write(root / "elsewhere", named("elsewhere"))) is None
    assert find_workspace(write(tmp_path / "alone", named("alone"))) is None


@pytest.mark.parametrize(
    "text", ["", "[tool]\nuv = 3", "[tool.uv]\nworkspace = 3", "[tool.uv.workspace]\nmembers = 3", "[tool", "\ufeff[["]
)
def test_what_is_written_wrongly_is_no_workspace(tmp_path: Path, text: str) -> None:
    root = write(tmp_path / "ws", text)
    found = find_workspace(root)
    assert found is None or not found.members
