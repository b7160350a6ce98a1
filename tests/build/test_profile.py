"""Profiles say what they were trained on; a recipe that has changed since is told from one that has not, and said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bivy.arch import build_machine
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.build.profile import origin_path, profile_misfit, profile_path, trained_on
from bivy.build.recipe import RECIPES, Recipe, load_recipe, select_version
from bivy.errors import BivyError
from bivy.progress import Silent
from bivy.source.places import Mirrors

WriteRecipe = Callable[..., Path]

CODE_PATCH = "--- a/main.c\n+++ b/main.c\n@@ -1 +1 @@\n-int main(void) { return 0; }\n+int main(void) { return 1; }\n"
TEXT_PATCH = "--- a/README\n+++ b/README\n@@ -1 +1 @@\n-old\n+new\n"
FILES = {"main.c": "int main(void) { return 0; }\n", "README": "old\n"}
SMALL = {"code.patch": CODE_PATCH, "text.patch": TEXT_PATCH, "heap.c": "int heap;\n", "1.0.profdata.xz": "counts"}
BODY = """
[variables]
profile = "1.0.profdata.xz"
[[pipeline]]
runs = 'mkdir -p "$DESTDIR/usr/share" && cp README "$DESTDIR/usr/share/hello"'
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of Python's recipe, whose profile fits it."""
    shutil.copytree(RECIPES / "python", tmp_path / "python")
    recipe = the_recipe(tmp_path / "python")
    keep_origin(recipe)
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


@pytest.fixture
def recipes(write_recipe: WriteRecipe) -> Path:
    folder = write_recipe("hello", BODY, FILES, SMALL)
    file = folder / "hello/recipe.toml"
    file.write_text(
        file.read_text().replace(
            'name = "hello"\n[[sources.', 'name = "hello"\npatches = ["code.patch", "text.patch"]\n[[sources.'
        )
    )
    keep_origin(Recipes(folder).find("hello"))
    return folder


def keep_origin(recipe: Recipe, facts: dict[str, str] | None = None) -> None:
    origin_path(recipe).write_text(json.dumps({"of": facts or trained_on(recipe), "on": "2026-01-01"}))


def test_all_that_differs_is_named_at_once(recipes: Path) -> None:
    recipe = Recipes(recipes).find("hello")
    keep_origin(recipe, {"the source": "another", "gone.patch": "0"})
    misfit = profile_misfit(recipe) or ""
    assert misfit.startswith("code.patch, gone.patch, heap.c, the compiler, the source changed since")


def test_a_profile_that_is_not_there_cannot_misfit(recipes: Path) -> None:
    recipe = Recipes(recipes).find("hello")
    keep_origin(recipe, {"the source": "another"})
    profile_path(recipe).unlink()
    assert profile_misfit(recipe) is None


def test_a_header_beside_the_recipe_counts(recipes: Path) -> None:
    (recipes / "hello/more.h").write_text("int more;\n")
    assert (profile_misfit(Recipes(recipes).find("hello")) or "").startswith("more.h changed")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"on": "2026-01-01"}', b'{"of": []}', b'{"of": {"the source": 1}}', b"\xff\xfe"]
)
def test_what_it_was_trained_on_may_be_damaged_in_any_way(recipes: Path, content: bytes) -> None:
    recipe = Recipes(recipes).find("hello")
    origin_path(recipe).write_bytes(content)
    with pytest.raises(BivyError, match=r"1\.0\.profile\.json cannot be read"):
        profile_misfit(recipe)


class Listener(Silent):
    """A watcher that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def test_whoever_builds_is_told_once_that_the_profile_does_not_fit(recipes: Path, cache: Path) -> None:
    watcher = Listener()

    def make() -> None:
        nodes = plan(["hello"], build_machine(), Recipes(recipes))
        build(nodes, cache=cache, jobs=1, mirrors=Mirrors(()), progress=watcher)

    make()
    assert not [line for line in watcher.said if "profile" in line]
    (recipes / "hello/heap.c").write_text("int other_heap;\n")
    make()
    make()
    told = [line for line in watcher.said if "profile" in line]
    assert len(told) == 1
    assert told[0].startswith("hello-1.0-r0: heap.c changed")
