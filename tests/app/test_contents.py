"""Whether a project has changed is told from what its files look like, and what is in them is found out once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bivy.app.contents import look, read_contents
from bivy.app.project import read_project
from bivy.files import is_settled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "package").mkdir(parents=True)
    (place / "main.py").write_text("print(1)\n")
    (place / "package" / "__init__.py").write_text("")
    (place / "requirements.txt").write_text("")
    return place


def change(folder: Path) -> None:
    (folder / "main.py").write_text("print(2)\n")


def add(folder: Path) -> None:
    (folder / "package" / "new.py").write_text("")


def remove(folder: Path) -> None:
    (folder / "package" / "__init__.py").unlink()


def make_executable(folder: Path) -> None:
    (folder / "main.py").chmod(0o755)


def ignore(folder: Path) -> None:
    (folder / ".gitignore").write_text("main.py\n")


def replace_alike(folder: Path) -> None:
    """Another file of the same size and time."""
    path, status = folder / "main.py", (folder / "main.py").stat()
    path.rename(folder.parent / "old")
    path.write_text("print(9)\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def add_in_a_new_folder(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "new.py").write_text("")


@pytest.mark.parametrize("what", [change, add, remove, make_executable, ignore, replace_alike, add_in_a_new_folder])
def test_a_change_is_seen(folder: Path, what: Callable[[Path], None]) -> None:
    before = look(folder)
    what(folder)
    after = look(folder)
    assert before
    assert after
    assert before[0] != after[0]


def test_what_belongs_to_no_project_is_not_looked_at(folder: Path) -> None:
    for name in (".venv", "__pycache__", "node_modules"):
        (folder / name).mkdir()
    (folder / "dist").mkdir()
    (folder / "dist" / "oci-layout").write_text("{}")
    before = look(folder)
    for name in (".venv", "__pycache__", "node_modules", "dist"):
        (folder / name / "new").write_text("")
    assert look(folder) == before


def test_a_commit_is_seen(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    before = look(folder)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/other\n")
    after = look(folder)
    assert before
    assert after
    assert before[0] != after[0]


def test_a_folder_that_is_gone_looks_like_nothing(tmp_path: Path) -> None:
    assert look(tmp_path / "missing") is None


def test_files_that_look_the_same_are_not_read_again(folder: Path) -> None:
    project = read_project(folder, {"entrypoint": ["python3", "main.py"]})
    first = read_contents(project, {})
    assert set(first.digests) == {"main.py", "package/__init__.py", "requirements.txt"}
    (folder / "main.py").chmod(0)
    os.chmod(folder / "main.py", 0o644)  # noqa: PTH101 - its times of change differ, so it is read
    lies = {path: type(each)(each.size, each.modified, each.changed, each.inode, "kept") for path, each in
            read_contents(project, {}).seen.items()}  # fmt: skip
    assert set(read_contents(project, lies).digests.values()) == {"kept"}
    change(folder)
    assert read_contents(project, lies).digests["main.py"] != "kept"


def test_a_file_that_was_changed_a_moment_ago_may_change_once_more_unseen() -> None:
    assert is_settled(1_000_000_000, 1_100_000_000)
    assert not is_settled(1_000_000_000, 1_005_000_000)
    assert not is_settled(1_000_000_000, 900_000_000)
