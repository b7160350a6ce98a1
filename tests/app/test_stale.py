"""A lock of uv's that was made for other requirements than a project has now is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from uv import find_uv_bin

from bivy.app.dependencies import Asking, pin_dependencies
from bivy.app.project import read_project
from bivy.arch import ARCHES
from bivy.errors import BivyError
from bivy.musl.target import make_target
from bivy.progress import Silent
from tests.app.projects import write_files
from tests.musl.dependencies.shelf import Shelf, serve_shelf

TARGET = make_target("3.14", ARCHES["x86_64"], "1.2.6")


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serve_shelf() as shelf:
        for name in ("one", "two", "three"):
            shelf.wheel(name, "1.0", extras=("fast",))
        yield shelf


def text(
    requires: tuple[str, ...] = ("one", "two"),
    extras: Mapping[str, tuple[str, ...]] | None = None,
    groups: Mapping[str, list[object]] | None = None,
    python: str = ">=3.11",
) -> str:
    lines = ["[project]", 'name = "mine"', 'version = "1.0"', f'requires-python = "{python}"']
    lines += [f"dependencies = {json.dumps(requires)}", "[project.optional-dependencies]"]
    lines += [f"{name} = {json.dumps(each)}" for name, each in (extras or {}).items()]
    lines += ["[dependency-groups]"]
    for name, entries in (groups or {}).items():
        each = ", ".join(f'"{entry}"' if isinstance(entry, str) else '{include-group = "more"}' for entry in entries)
        lines.append(f"{name} = [{each}]")
    return "\n".join(lines) + "\n"


@pytest.fixture
def locked(shelf: Shelf, tmp_path: Path) -> Path:
    return lock(tmp_path, shelf, text())


def lock(tmp_path: Path, shelf: Shelf, said: str) -> Path:
    folder = write_files(tmp_path / "project", {"main.py": "", "pyproject.toml": said})
    command = [find_uv_bin(), "lock", "--quiet", "--default-index", shelf.address]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def pin(folder: Path, tmp_path: Path) -> list[str]:
    project = read_project(folder, {"entrypoint": ["python3", "main.py"]})
    return [each.name for each in pin_dependencies(project, TARGET, Asking(tmp_path / "cache", Silent()))]


def refusal(folder: Path, tmp_path: Path, said: str) -> str:
    (folder / "pyproject.toml").write_text(said)
    with pytest.raises(BivyError, match=r"uv\.lock does not match the project: ") as fault:
        pin(folder, tmp_path)
    assert fault.value.hint == "lock it again: uv lock"
    return str(fault.value).partition("project: ")[2]


CHANGED = "it was made when the project required one, which is {} now"
EVERYTHING = text(
    ("one[fast]>=0.5, <3", "two~=1.0; python_version >= '3.8'", "three ; sys_platform == 'win32'", "Two!=1.5"),
    {"big": ("three==1.*", "mine[small]"), "small": ("two",)},
    {"dev": ["three>=1", {"include-group": "more"}], "more": ["one"]},
    "~=3.11",
)


def test_a_lock_of_the_day_matches_however_the_requirements_are_written(shelf: Shelf, tmp_path: Path) -> None:
    assert pin(lock(tmp_path, shelf, EVERYTHING), tmp_path) == ["one", "two"]


def test_a_requirement_that_is_gone_is_noticed(locked: Path, tmp_path: Path) -> None:
    assert refusal(locked, tmp_path, text(("one",))) == "it was made when the project required two"


def test_a_looser_version_and_other_extras_are_noticed(locked: Path, tmp_path: Path) -> None:
    assert refusal(locked, tmp_path, text(("one>=0.5", "two"))) == CHANGED.format("one>=0.5")
    assert refusal(locked, tmp_path, text(("one[fast]", "two"))) == CHANGED.format("one[fast]")


def test_a_requirement_of_an_extra_or_a_group_that_is_gone_or_new_is_noticed(shelf: Shelf, tmp_path: Path) -> None:
    folder = lock(tmp_path, shelf, text(extras={"more": ("three",)}, groups={"dev": ["three"]}))
    assert pin(folder, tmp_path) == ["one", "two"]
    gone = refusal(folder, tmp_path, text(groups={"dev": ["three"]}))
    assert gone == "it was made when the project required three (in its extra more)"
    gone = refusal(folder, tmp_path, text(extras={"more": ("three",)}))
    assert gone == "it was made when the project required three (in its group dev)"
    new = refusal(folder, tmp_path, text(extras={"more": ("three", "two")}, groups={"dev": ["three"]}))
    assert new == "it was made before the project required two (in its extra more)"


def test_other_versions_of_python_are_noticed(locked: Path, tmp_path: Path) -> None:
    said = refusal(locked, tmp_path, text(python=">=3.12"))
    assert said == "it is for Python >=3.11, and the project is for >=3.12"
    assert "3.10" in refusal(locked, tmp_path, text(python=">=3.10"))


def test_a_project_that_requires_nothing_any_more_is_noticed(locked: Path, tmp_path: Path) -> None:
    assert refusal(locked, tmp_path, text(())) == "it was made when the project required one"


def test_a_change_that_means_the_same_is_no_other_lock(locked: Path, tmp_path: Path) -> None:
    (locked / "pyproject.toml").write_text(text(("Two", "one")) + "# changed\n")
    assert pin(locked, tmp_path) == ["one", "two"]
