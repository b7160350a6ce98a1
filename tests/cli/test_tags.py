"""``bivy tags``, ``bivy build --all`` and ``bivy push --all`` as a person meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bivy.images.definition import load_image
from bivy.oci.layout import write_image
from bivy.tags.built import known_versions
from bivy.tags.rules import Edition
from tests.oci.registry.real import Registry, real_registry
from tests.tags.making import made, put, vouch

NEWEST = max(known_versions(load_image("python")), key=lambda version: [int(part) for part in version.split(".")])


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    put(tmp_path / "dist", Edition(NEWEST), known=())
    return tmp_path / "dist"


def bivy(*words: str, layout: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environ |= {"BIVY_CACHE": str(layout.parent / "cache"), "DOCKER_CONFIG": str(layout.parent / "none")}
    done = subprocess.run(
        [sys.executable, "-m", "bivy", *words, "--output", str(layout)],
        capture_output=True, text=True, env=environ, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def test_tags_are_listed_with_the_architectures_that_are_built(layout: Path) -> None:
    done = bivy("tags", layout=layout)
    assert done.returncode == 0
    head, first, *others = done.stdout.splitlines()
    assert head.split() == ["tags", "architectures"]
    assert first.split()[0] == f"{NEWEST}-alpine,"
    assert first.split()[-2:] == ["alpine", "amd64"]
    assert all("not built: bivy build " in line for line in others)


def test_with_json_it_is_for_programs(layout: Path) -> None:
    told = json.loads(bivy("tags", "--json", layout=layout).stdout)
    assert told["images"][0]["tags"][-1] == "alpine"
    assert told == json.loads(bivy("tags", "--format", "json", layout=layout).stdout)


def test_what_cannot_be_read_is_said_beside_the_list(layout: Path) -> None:
    write_image(made("3.13.15", annotations={}), layout, ["python:3.13-alpine"])
    done = bivy("tags", layout=layout)
    assert done.returncode == 1
    assert f"{NEWEST}-alpine" in done.stdout
    assert "bivy: python:3.13-alpine (linux/amd64): has no version" in done.stderr


def test_the_formats_of_other_programs_are_printed(layout: Path) -> None:
    words = ("--maintainer", "Jane (@jane)", "--git-repo", "https://git.example/x.git", "--git-commit", "a" * 40)
    done = bivy("tags", "--format", "library", *words, layout=layout)
    assert done.stdout.startswith("Maintainers: Jane (@jane)\nGitRepo: https://git.example/x.git\n")
    baked = json.loads(bivy("tags", "--format", "bake", "--name", "localhost:5000/python", layout=layout).stdout)
    (target,) = baked["target"].values()
    assert target["tags"][-1] == "localhost:5000/python:alpine"


@pytest.mark.parametrize(
    ("words", "said"),
    [(("tags", "--format", "library"), "names its maintainers"), (("tags", "--name", "x"), "goes with --format bake"),
     (("tags", "--git-repo", "x"), "goes with --format library"), (("push", "--all"), "Missing argument 'DESTINATION'"),
     (("push", "--all", "python:alpine", "localhost/x"), "unexpected extra argument"),
     (("push", "python:alpine"), "Missing argument 'DESTINATION'"), (("push",), "Missing argument 'REF'"),
     (("push", "--all", "localhost/x:1"), "--all pushes many tags"), (("build", "3.14", "--all"), "not with --all"),
     (("build", "--all", "--format", "oci-archive"), "not with --all")],
)  # fmt: skip
def test_a_wrong_question_is_refused(words: tuple[str, ...], said: str, layout: Path) -> None:
    done = bivy(*words, layout=layout)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with real_registry(tmp_path / "registry") as found:
        yield found


@pytest.mark.registry
def test_an_image_that_has_passed_is_pushed_and_one_that_fails_is_not(registry: Registry, layout: Path) -> None:
    (older,) = put(layout, Edition("3.13.15"))
    vouch(older, layout.parent / "cache")
    repository = str(registry.name()).rpartition(":")[0]
    done = bivy("push", "--all", repository, layout=layout)  # the other one has nothing in it, and fails
    assert done.returncode == 1
    assert f"python:3.13.15-alpine  linux/amd64  {older.digest}" in done.stdout
    assert f"python:{NEWEST}-alpine  not moved: it does not pass " in done.stdout
    assert f"these stay where they are: {repository}:{NEWEST}-alpine, " in done.stdout
    assert f"bivy verify python:{NEWEST}-alpine says what is the matter" in done.stdout
    assert bivy("inspect", f"{repository}:3.13-alpine", layout=layout).returncode == 0
    assert "has no tag alpine" in bivy("inspect", f"{repository}:alpine", layout=layout).stderr


def test_a_registry_that_cannot_be_reached_moves_nothing(layout: Path) -> None:
    for image in put(layout, Edition(NEWEST), known=()):
        vouch(image, layout.parent / "cache")
    told = bivy("push", "--all", "127.0.0.1:1/python", "--json", layout=layout)
    assert told.returncode == 1
    (moved,) = json.loads(told.stdout)
    assert not moved["moved"]
    assert moved["fault"]
