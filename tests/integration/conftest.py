"""The whole image, for all tests that need it.

The first that does builds it, from sources, into the user's own cache: some minutes where that is empty, seconds where
it is not.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
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


@pytest.fixture
def layout(dist: Path, tmp_path: Path) -> Path:
    """A layout with the image, of the test's own, so that no other test finds its images."""
    own = tmp_path / "layout"
    shutil.copytree(dist, own, copy_function=os.link)
    return own


def free_port() -> int:
    """A port of this machine's that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def answer(port: int) -> str:
    """What a service on this machine answers, once it does."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
                return str(response.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
