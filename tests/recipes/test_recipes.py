"""The recipes that bivy comes with: all of them read, and what the image needs is made by one, for every machine."""

from __future__ import annotations

import subprocess

import pytest

from bivy.apk.dependency import name_of
from bivy.arch import ARCHES
from bivy.build.graph import Recipes, plan
from bivy.build.recipe import Recipe, RecipeData, Subpackage
from bivy.images.definition import load_image

# The packages of Alpine's whose names people and scanners look for.
NAMES = [
    "alpine-baselayout", "alpine-baselayout-data", "bash", "busybox", "busybox-binsh", "bzip2-dev", "ca-certificates",
    "ca-certificates-bundle", "curl", "curl-dev", "gdbm", "gdbm-dev", "git", "git-daemon", "git-init-template",
    "libbz2", "libcrypto3", "libcurl", "libffi", "libffi-dev", "libncursesw", "libpanelw", "libssl3", "libuuid",
    "musl", "musl-dev", "musl-utils", "ncurses-dev", "ncurses-terminfo-base", "openssl-dev", "readline",
    "readline-dev", "sqlite-dev", "sqlite-libs", "ssl_client", "tzdata", "util-linux-dev", "xz-dev", "xz-libs", "zlib",
    "zlib-dev", "zstd-dev", "zstd-libs",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_there_is_a_recipe_for_every_package_of_alpines_that_the_image_has(name: str) -> None:
    assert name in Recipes().find(name).package_names


@pytest.mark.parametrize("version", ["3.14.7", "3.13.15"])
@pytest.mark.parametrize("arch", ARCHES)
def test_everything_that_the_image_needs_can_be_planned_for_every_architecture(arch: str, version: str) -> None:
    definition = load_image("python")
    nodes = plan(definition.packages, ARCHES[arch], Recipes(), {"python": version})
    built = {node.recipe.name: node.recipe.data.version for node in nodes}
    assert built["python"] == built["build-python"] == version
    assert {"musl", "openssl", "tzdata"} <= built.keys()


def test_the_newest_python_is_the_default_and_3_14_means_it() -> None:
    assert Recipes().find("python", load_image("python").default).data.version == "3.14.7"


def test_every_source_can_be_had_from_a_debian_archive_too() -> None:
    recipes = Recipes()
    for name in recipes.names:
        for version in ("3.14", "3.13") if name in ("python", "build-python") else ("",):
            for pin in recipes.find(name, version).pins:
                assert any(place.debian for place in pin.places), pin


def parts_of(recipe: Recipe) -> list[RecipeData | Subpackage]:
    return [recipe.data, *recipe.data.subpackages]


@pytest.mark.parametrize("name", Recipes().names)
def test_what_a_recipe_asks_of_its_own_packages_is_their_own_version(name: str) -> None:
    recipe = Recipes().find(name)
    for part in parts_of(recipe):
        for text in (*part.depends, *part.install_if):
            if name_of(text) in recipe.package_names and "=" in text:
                assert text.endswith(f"={recipe.version}"), part.name


def test_scripts_are_shell_that_can_be_read() -> None:
    recipes = [Recipes().find(name) for name in Recipes().names]
    scripts = [
        recipe.folder / file for recipe in recipes for part in parts_of(recipe) for file in part.scripts.values()
    ]
    assert scripts
    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)
