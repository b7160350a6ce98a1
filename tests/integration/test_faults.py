"""What may go wrong around a build, as a person meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bivy.sandbox import find_bubblewrap, why_no_sandbox

WriteRecipe = Callable[..., Path]

BODY = """
[[pipeline]]
runs = "head -c 8000000 /dev/urandom > $DESTDIR/large"
"""


def build(recipes: Path, cache: Path, name: str, *around: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*around, sys.executable, "-m", "bivy.build", name, "--recipes", str(recipes)],
        env={**os.environ, "BIVY_CACHE": str(cache)}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.skipif(why_no_sandbox() is not None, reason="no small disk can be made without user namespaces")
def test_a_full_disk_is_one_message_and_the_next_build_succeeds(write_recipe: WriteRecipe, cache: Path) -> None:
    recipes = write_recipe("large", BODY, {"x": ""})
    bubblewrap = str(find_bubblewrap())
    # The packages are on a disk of 4 MB: the work folder is not, so that it is the writing of the result that fails.
    (cache / "packages").mkdir()
    small_disk = (bubblewrap, "--dev-bind", "/", "/", "--size", "4000000", "--tmpfs", str(cache / "packages"))
    done = build(recipes, cache, "large", *small_disk)
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((cache / "packages").iterdir()) == []
    assert build(recipes, cache, "large").returncode == 0


def test_a_source_that_was_damaged_in_the_cache_is_fetched_again(write_recipe: WriteRecipe, cache: Path) -> None:
    recipes = write_recipe("good", '\n[[pipeline]]\nruns = "cp told $DESTDIR/told"\n', {"told": "all"})
    assert build(recipes, cache, "good").returncode == 0
    source = next(path for path in (cache / "sources" / "sha256").iterdir() if path.is_file())
    whole = source.read_bytes()
    source.write_bytes(whole[:-7])
    path = recipes / "good" / "recipe.toml"
    path.write_text(path.read_text().replace("/told", "/heard"))
    done = build(recipes, cache, "good")
    assert done.returncode == 0, done.stderr
    assert source.read_bytes() == whole


def test_a_source_with_another_digest_is_named_with_both_digests_and_never_used(
    write_recipe: WriteRecipe, cache: Path, tmp_path: Path
) -> None:
    recipes = write_recipe("good", '\n[[pipeline]]\nruns = "cp told $DESTDIR/told"\n', {"told": "all"})
    archive = tmp_path / "good-1.0.tar.gz"
    archive.write_bytes(archive.read_bytes() + b"!")
    done = build(recipes, cache, "good")
    assert done.returncode == 1
    assert "good-1.0.tar.gz" in done.stderr
    expected = (recipes / "good" / "recipe.toml").read_text().split('sha256 = "')[1][:64]
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((cache / "packages").glob("*/*.apk"))


def test_nothing_reachable_is_one_message_with_every_place(
    write_recipe: WriteRecipe, cache: Path, tmp_path: Path
) -> None:
    recipes = write_recipe("good", '\n[[pipeline]]\nruns = ":"\n', {"told": "all"})
    (tmp_path / "good-1.0.tar.gz").unlink()
    done = build(recipes, cache, "good")
    assert done.returncode == 1
    assert f"file://{tmp_path}/good-1.0.tar.gz" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hostile_archive_is_refused_and_leaves_nothing_outside(
    write_recipe: WriteRecipe, cache: Path, tmp_path: Path
) -> None:
    recipes = write_recipe("evil", '\n[[pipeline]]\nruns = ":"\n', {"../../../../escaped": "out"})
    done = build(recipes, cache, "evil")
    assert done.returncode == 1
    assert "escaped" in done.stderr
    assert not list(tmp_path.rglob("escaped"))
