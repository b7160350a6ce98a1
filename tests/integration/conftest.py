"""The whole image, for all tests that need it.

The first that does builds it, from sources, into the user's own cache: some minutes where that is empty, seconds where
it is not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NAME = "python:3.14-alpine"


def bivy(*words: str, check: bool = True, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run bivy as a person would, with `given` as its standard input."""
    done = subprocess.run([sys.executable, "-m", "bivy", *words], capture_output=True, text=True, input=given)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with the image."""
    folder = tmp_path_factory.mktemp("image") / "dist"
    bivy("build", "3.14", "--output", str(folder))
    return folder
