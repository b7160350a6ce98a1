"""The training of the profile: its programs, and the check of what is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bench.training.train import PROGRAMS, trainings

from bivy.build.graph import Recipes
from bivy.build.profile import has_profile, profile_misfit

ROOT = Path(__file__).parents[2]


def names() -> list[str]:
    return sorted(path.stem for path in PROGRAMS.glob("*.py"))


def test_no_program_hides_a_module_of_the_standard_library() -> None:
    assert not set(names()) & sys.stdlib_module_names


def test_every_program_is_run_and_then_cpythons_own_tests() -> None:
    *programs, tests = trainings()
    assert [words[-1] for words in programs] == [name for name in names() if name != "run"]
    assert tests[:2] == ["-m", "test"]


def test_a_program_runs_as_it_is_run_in_training() -> None:
    done = subprocess.run(
        [sys.executable, "-B", PROGRAMS / "run.py", "arithmetic"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", Recipes().versions("python"))
def test_the_check_says_whether_the_kept_profile_fits(version: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.training", "--check", version], capture_output=True, text=True, cwd=ROOT
    )
    recipe = Recipes().find("python", version)
    fits = has_profile(recipe) and profile_misfit(recipe) is None
    assert done.returncode == (0 if fits else 1), done.stderr
    assert done.stdout.startswith(f"python {version}: ")
    assert fits == ("the profile fits" in done.stdout)
