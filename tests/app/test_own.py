"""A project's own layer: its files as they are, and no more of the past than is of use."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from bivy.app.contents import read_contents
from bivy.app.layers import Kept, Workplace
from bivy.app.own import own_layer
from bivy.app.project import read_project
from tests.app.making import workplace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "bin").mkdir(parents=True)
    (place / "main.py").write_text("print(1)\n")
    (place / "bin" / "tool").write_text("#!/bin/sh\n")
    (place / "bin" / "tool").chmod(0o700)
    (place / "link").symlink_to("bin/tool")
    return place


def layer(folder: Path, at: Workplace) -> Kept:
    project = read_project(folder, {"entrypoint": ["python3", "main.py"]})

    def no_wheel() -> Path:
        raise AssertionError

    return own_layer(project, read_contents(project, {}), at, [], no_wheel)


def test_files_are_in_the_folder_of_the_application_and_root_s(folder: Path, tmp_path: Path) -> None:
    at = workplace(tmp_path / "cache")
    kept = layer(folder, at)
    with tarfile.open(at.store.blob(kept.digest)) as archive:
        found = {each.name: (each.mode, each.uid, each.linkname) for each in archive.getmembers()}
    assert found == {
        "app": (0o755, 0, ""),
        "app/bin": (0o755, 0, ""),
        "app/bin/tool": (0o755, 0, ""),
        "app/link": (0o777, 0, "bin/tool"),
        "app/main.py": (0o644, 0, ""),
    }


def test_what_the_project_was_long_ago_is_not_kept(folder: Path, tmp_path: Path) -> None:
    at = workplace(tmp_path / "cache")
    kept = []
    for number in range(20):
        (folder / "main.py").write_text(f"print({number})\n")
        kept.append(layer(folder, at))
    there = [at.store.blob(each.digest).is_file() for each in kept]
    assert there == [False] * 8 + [True] * 12


def test_who_goes_back_finds_the_layer_again(folder: Path, tmp_path: Path) -> None:
    at = workplace(tmp_path / "cache")
    first = layer(folder, at)
    (folder / "main.py").write_text("print(2)\n")
    layer(folder, at)
    stamp = at.store.blob(first.digest).stat().st_ino
    (folder / "main.py").write_text("print(1)\n")
    assert layer(folder, at) == first
    assert at.store.blob(first.digest).stat().st_ino == stamp
