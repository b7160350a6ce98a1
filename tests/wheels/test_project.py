"""What builds a project is read as PEP 517 and PEP 518 have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.errors import BivyError
from bivy.wheels.project import BuildSystem, read_build_system

LEGACY = BuildSystem("setuptools.build_meta:__legacy__", ("setuptools>=40.8.0",))


def test_without_a_word_it_is_setuptools(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("")
    assert read_build_system(tmp_path) == LEGACY
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'demo'\n")
    assert read_build_system(tmp_path) == LEGACY


def test_what_a_project_says_counts(tmp_path: Path) -> None:
    text = "[build-system]\nrequires = ['a', 'b>1']\nbuild-backend = 'x.y:z'\nbackend-path = ['tools']\n"
    (tmp_path / "pyproject.toml").write_text(text)
    assert read_build_system(tmp_path) == BuildSystem("x.y:z", ("a", "b>1"), ("tools",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[build-system", "cannot be read"),
        ("[build-system]\nrequires = 'setuptools'", "has no place there"),
        ("[build-system]\nrequires = [1]", "has no place there"),
        ("[build-system]\nrequires = []\nbuild-backend = 3", "has no place there"),
        ("build-system = 3", "cannot be read"),
        (None, "nothing says how it is built"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(BivyError, match=message):
        read_build_system(tmp_path)
