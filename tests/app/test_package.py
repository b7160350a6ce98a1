"""A project with a build backend becomes a wheel, by the backend or from the last one."""

from __future__ import annotations

import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from bivy.app.contents import read_contents
from bivy.app.dependencies import Asking
from bivy.app.package import project_wheel
from bivy.app.project import read_project
from bivy.arch import build_machine
from bivy.errors import BivyError
from bivy.musl.target import make_target
from bivy.progress import Silent

TARGET = make_target("3.14", build_machine(), "1.2.6")

# uv brings this backend along, so that no index is asked.
PYPROJECT = f"""\
[build-system]
requires = ["uv_build=={version("uv")}"]
build-backend = "uv_build"

[project]
name = "shop"
version = "1.0"
description = "A shop"

[project.scripts]
shop = "shop.main:run"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "src" / "shop").mkdir(parents=True)
    (place / "pyproject.toml").write_text(PYPROJECT)
    (place / "src" / "shop" / "__init__.py").write_text("")
    (place / "src" / "shop" / "main.py").write_text("def run(): return 1\n")
    return place


def made(folder: Path, tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    project = read_project(folder)
    path = project_wheel(project, read_contents(project, {}), TARGET, Asking(tmp_path / "cache", Silent()))
    with zipfile.ZipFile(path) as archive:
        return path, {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def wheels(tmp_path: Path) -> list[Path]:
    """What backends made, by their place: a wheel that is written anew is in a folder below."""
    return list((tmp_path / "cache" / "app" / "wheels").glob("*/*.whl"))


def test_the_backend_makes_the_wheel_and_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    before = sorted(folder.rglob("*"))
    path, members = made(folder, tmp_path)
    assert path.name == "shop-1.0-py3-none-any.whl"
    assert members["shop/main.py"] == b"def run(): return 1\n"
    assert sorted(folder.rglob("*")) == before
    assert made(folder, tmp_path)[0] == path


def test_changed_code_comes_into_the_last_wheel_with_a_true_record(folder: Path, tmp_path: Path) -> None:
    made(folder, tmp_path)
    (built,) = wheels(tmp_path)
    stamp = built.stat().st_mtime_ns
    (folder / "src" / "shop" / "main.py").write_text("def run(): return 2\n")
    path, members = made(folder, tmp_path)
    assert built.stat().st_mtime_ns == stamp
    assert members["shop/main.py"] == b"def run(): return 2\n"
    from bivy.musl.archives.wheel import open_wheel

    with open_wheel(path) as read:
        read.check_contents()
        assert read.problems == ()
    path, members = made(folder, tmp_path)
    assert members["shop/main.py"] == b"def run(): return 2\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("src/shop/new.py", "x = 1\n"),
        ("pyproject.toml", PYPROJECT.replace('"1.0"', '"2.0"')),
        ("README.md", "# Shop\n"),
    ],
)
def test_for_anything_else_the_backend_is_asked_again(folder: Path, tmp_path: Path, file: str, text: str) -> None:
    made(folder, tmp_path)
    (built,) = wheels(tmp_path)
    stamp = built.stat().st_ino
    (folder / file).write_text(text)
    path, members = made(folder, tmp_path)
    assert path.stat().st_ino != stamp
    if file == "src/shop/new.py":
        assert members["shop/new.py"] == b"x = 1\n"
    if file == "pyproject.toml":
        assert path.name == "shop-2.0-py3-none-any.whl"


def test_a_backend_that_may_read_the_code_is_asked_each_time(folder: Path, tmp_path: Path) -> None:
    (folder / "pyproject.toml").write_text(PYPROJECT + '\n[tool.hatch.build.hooks.custom]\npath = "hook.py"\n')
    first, _ = made(folder, tmp_path)
    inode = first.stat().st_ino
    (folder / "src" / "shop" / "main.py").write_text("def run(): return 2\n")
    second, members = made(folder, tmp_path)
    assert (second, members["shop/main.py"]) == (first, b"def run(): return 2\n")
    assert second.stat().st_ino != inode


def test_what_the_backend_said_is_told_when_it_fails(folder: Path, tmp_path: Path) -> None:
    (folder / "src" / "shop" / "__init__.py").unlink()
    with pytest.raises(BivyError, match=r"shop: its build backend, uv_build, made no wheel of it(?s:.*)__init__\.py"):
        made(folder, tmp_path)
    assert wheels(tmp_path) == []
