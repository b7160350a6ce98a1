"""The same recipes give the same bytes, elsewhere and for another user; `make reproduce` does it with everything."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.reproduce import NOBODY, OTHER, give, python_for

from bivy.files import cache_folder

SMALL = ("alpine-baselayout", "alpine-release", "bzip2", "libffi", "zlib")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that another user can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="bivy elsewhere "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def build(cache: Path, user: int | None = None, **variables: str) -> dict[str, bytes]:
    python, more = python_for(user)
    done = subprocess.run(
        [python, "-m", "bivy.build", *SMALL], capture_output=True, text=True, user=user, group=user,
        extra_groups=None if user is None else [], umask=0o022 if user is None else 0o077, cwd="/",
        env={**os.environ, **more, **variables, "BIVY_CACHE": str(cache)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {Path(line).name: Path(line).read_bytes() for line in done.stdout.splitlines()}


def test_small_packages_are_the_same_elsewhere_and_for_another_user(elsewhere: Path) -> None:
    here = build(cache_folder())
    cache = elsewhere / "cache"
    shutil.copytree(cache_folder() / "sources", cache / "sources")
    user = NOBODY if os.geteuid() == 0 else None
    give(cache, user)
    there = build(cache, user, **OTHER)
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []
