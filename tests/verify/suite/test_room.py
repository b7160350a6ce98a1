"""The sandbox of the suite shows an image what it is to see, and nothing of the machine's beside."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bivy.oci.image import Image
from bivy.run.inside import CommandMissing
from bivy.verify.suite.room import opened_room, with_bytecode, with_tests
from tests.run.conftest import cache, image, program

__all__ = ["cache", "image", "program"]  # fixtures


def test_an_image_without_python_is_told(image: Image, cache: Path, tmp_path: Path) -> None:
    with opened_room(image, cache, tmp_path) as room, pytest.raises(CommandMissing, match="python3"):
        room.command(["python3"])


def test_bytecode_is_laid_over_the_tests(image: Image, cache: Path, tmp_path: Path) -> None:
    tests, bytecode = tmp_path / "tests", tmp_path / "bytecode"
    tests.mkdir()
    (bytecode / "lib/test").mkdir(parents=True)
    with opened_room(image, cache, tmp_path) as bare:
        room = with_bytecode(with_tests(bare, tests, "/lib/test"), bytecode)
    assert room.overlays == {"/lib/test": (tests, bytecode / "lib/test")}
    assert room.above == (bytecode,)


def test_a_link_that_an_image_leaves_in_the_place_of_bytecode_shows_nothing_of_the_machine(
    image: Image, cache: Path, tmp_path: Path
) -> None:
    tests, bytecode, secret = tmp_path / "tests", tmp_path / "bytecode", tmp_path / "secret"
    for folder in (tests, bytecode / "lib", secret / "test"):
        folder.mkdir(parents=True)
    (bytecode / "lib/test").symlink_to(secret / "test")
    with opened_room(image, cache, tmp_path) as bare:
        assert with_bytecode(with_tests(bare, tests, "/lib/test"), bytecode).overlays == {"/lib/test": (tests,)}
        (bytecode / "lib/test").unlink()
        (bytecode / "lib").rmdir()
        (bytecode / "lib").symlink_to(secret)
        assert with_bytecode(with_tests(bare, tests, "/lib/test"), bytecode).overlays == {"/lib/test": (tests,)}


def test_the_program_runs_as_an_ordinary_user_with_a_home_and_its_own_name(
    image: Image, cache: Path, tmp_path: Path
) -> None:
    with opened_room(image, cache, tmp_path) as room:
        done = subprocess.run(room.command(["probe", "show"], MORE="x"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "HOME=/home/bivy" in done.stdout
    assert "MORE=x" in done.stdout
    assert "uid 1000\ngid 1000\nhostname bivy\n" in done.stdout
