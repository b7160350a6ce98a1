"""Profiles say what they were trained on, and a recipe that has changed since is told from one that has not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from bivy.build.graph import Recipes
from bivy.build.profile import origin_path, profile_misfit, profile_path, trained_on
from bivy.build.recipe import RECIPES, Recipe, load_recipe, select_version
from bivy.errors import BivyError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of Python's recipe, whose profile fits it."""
    shutil.copytree(RECIPES / "python", tmp_path / "python")
    recipe = the_recipe(tmp_path / "python")
    origin_path(recipe).write_text(json.dumps({"of": trained_on(recipe)}))
    return tmp_path / "python"


def the_recipe(folder: Path) -> Recipe:
    return select_version(load_recipe(folder), folder, "3.14")


def test_the_profile_that_is_kept_is_of_the_recipe_as_it_is() -> None:
    recipe = Recipes().find("python", "3.14")
    assert profile_path(recipe).is_file()
    assert profile_path(recipe).name == recipe.data.variables["profile"]
    assert profile_misfit(recipe) is None


def test_a_recipe_without_a_profile_has_none_that_does_not_fit() -> None:
    assert profile_misfit(Recipes().find("zlib")) is None


def test_a_recipe_that_is_unchanged_fits(folder: Path) -> None:
    assert profile_misfit(the_recipe(folder)) is None


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("recipe.toml", "3b48dac8", "4b48dac8", "the source"),
        ("allocator.c", "return mi_malloc(size);", "return mi_zalloc(size);", "allocator.c"),
    ],
)
def test_what_changed_is_named(folder: Path, file: str, old: str, new: str, named: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert profile_misfit(the_recipe(folder)) == f"{named} changed since its profile was trained"


def test_a_patch_counts_where_it_changes_c(folder: Path) -> None:
    patch = folder / "find-library.patch"
    patch.write_text(patch.read_text() + "\n# a remark\n")
    assert profile_misfit(the_recipe(folder)) is None
    patch.write_text("--- a/Python/ceval.c\n+++ b/Python/ceval.c\n")
    assert profile_misfit(the_recipe(folder)) == "find-library.patch changed since its profile was trained"


def test_what_it_was_trained_on_may_be_missing_or_unreadable(folder: Path) -> None:
    recipe = the_recipe(folder)
    origin_path(recipe).write_text("{")
    with pytest.raises(BivyError, match="cannot be read"):
        profile_misfit(recipe)
    origin_path(recipe).unlink()
    assert "is missing" in (profile_misfit(recipe) or "")
