"""A tag moves only after the image behind it has passed; what fails leaves it where it is, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bivy.arch import build_machine
from bivy.compose.request import Request, Surroundings
from bivy.errors import BivyError, UsageError
from bivy.images.definition import load_image
from bivy.oci.image import Image, make_image
from bivy.oci.layer import layer_from_tree
from bivy.oci.layout import find_image, list_names, write_image
from bivy.oci.registry.name import parse_name
from bivy.oci.registry.pull import pull_image
from bivy.oci.registry.session import Session
from bivy.progress import Silent
from bivy.rootfs.tree import Tree
from bivy.source.places import mirrors_told
from bivy.tags.build import build_all, name_image
from bivy.tags.built import candidate, list_tags
from bivy.tags.move import Moved, move_tags
from bivy.tags.push import push_all, repository_of
from bivy.tags.rules import Edition, tag_names
from bivy.verify.check import chosen, own_checks
from bivy.verify.record import last
from bivy.verify.report import Status
from tests.oci.registry.real import Registry, real_registry
from tests.rootfs.trees import file
from tests.tags.making import KNOWN, made, put, vouch

CHECKS = chosen(own_checks(), ["world-writable"], {})
NEW = Edition("3.14.7")
NAMES = tuple(f"python:{tag}" for tag in tag_names("3.14.7", known=KNOWN))


def bad(image: Image) -> Image:
    """Return an image with a file that anyone can write to."""
    layer = layer_from_tree(Tree.of([file("etc/open", b"", 0o666)]), created_by="a fault")
    return make_image(image.config, [*image.layers, layer], image.annotations)


def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path / "cache", tmp_path / "dist", 1, mirrors_told(()))


def named(image: Image, tmp_path: Path) -> Moved:
    """Give an image its names, as ``bivy build --all`` does once it is built."""
    write_image(image, tmp_path / "dist", [candidate("python", NEW)])
    return name_image(image, "python", NEW, NAMES, around(tmp_path), Silent(), checks=CHECKS)


def stands_for(tmp_path: Path, platform: str = "linux/amd64") -> set[str]:
    return {find_image(tmp_path / "dist", name, platform) for name in NAMES}


def test_an_image_that_passes_gets_all_its_names_and_is_no_candidate_any_more(tmp_path: Path) -> None:
    image = made("3.14.7")
    moved = named(image, tmp_path)
    assert moved.done
    assert moved.digest == image.digest
    assert stands_for(tmp_path) == {image.digest}
    assert sorted(NAMES) == list_names(tmp_path / "dist")


def test_one_that_does_not_pass_leaves_the_names_where_they_are_and_stays_to_be_looked_at(tmp_path: Path) -> None:
    old = made("3.14.7", note="old")
    named(old, tmp_path)
    new = bad(made("3.14.7", note="new"))
    moved = named(new, tmp_path)
    assert (moved.done, moved.failures) == (False, (("linux/amd64", "world-writable"),))
    assert stands_for(tmp_path) == {old.digest}
    assert moved.kept == "python:3.14.7-alpine-unverified"
    assert find_image(tmp_path / "dist", moved.kept, "linux/amd64") == new.digest


def test_once_it_is_repaired_the_names_move_and_the_candidate_goes(tmp_path: Path) -> None:
    named(bad(made("3.14.7")), tmp_path)
    image = made("3.14.7", note="repaired")
    assert named(image, tmp_path).done
    assert stands_for(tmp_path) == {image.digest}
    assert sorted(NAMES) == list_names(tmp_path / "dist")


def test_an_older_patch_keeps_its_exact_name_when_the_others_move(tmp_path: Path) -> None:
    (old,) = put(tmp_path / "dist", Edition("3.14.6"), known=())
    named(made("3.14.7"), tmp_path)
    assert find_image(tmp_path / "dist", "python:3.14.6-alpine", "linux/amd64") == old.digest
    assert old.digest not in stands_for(tmp_path)


def test_what_is_built_as_another_version_than_it_says_gets_no_names(tmp_path: Path) -> None:
    moved = named(made("3.13.15"), tmp_path)
    assert not moved.done
    assert "not python:3.14.7-alpine but 3.13.15-alpine" in moved.fault


def test_what_cannot_be_built_is_said_and_the_others_are_still_tried(tmp_path: Path) -> None:
    requests = {Edition(version): Request(version, build_machine()) for version in ("3.1.4", "3.0.1")}
    moved = build_all(requests, KNOWN, around(tmp_path), Silent(), checks=CHECKS)
    assert [each.name for each in moved] == ["python:3.1.4-alpine", "python:3.0.1-alpine"]
    assert all("is not known" in each.fault and not each.done for each in moved)
    assert "known are" in moved[0].hint


def test_an_image_for_several_architectures_moves_only_where_it_passes_for_each(tmp_path: Path) -> None:
    done: list[str] = []

    def move() -> str:
        done.append("moved")
        return "sha256:x"

    images = [made("3.14.7"), bad(made("3.14.7", arch="aarch64"))]
    moved = move_tags("x", NAMES, lambda: images, move, cache=tmp_path, progress=Silent(), checks=CHECKS)
    assert (moved.done, done) == (False, [])
    assert moved.failures == (("linux/arm64/v8", "world-writable"),)
    moved = move_tags("x", NAMES, lambda: images[:1], move, cache=tmp_path, progress=Silent(), checks=CHECKS)
    assert (moved.done, done) == (True, ["moved"])


def test_without_an_image_nothing_moves(tmp_path: Path) -> None:
    moved = move_tags("x", NAMES, list, lambda: pytest.fail("moved"), cache=tmp_path, progress=Silent())
    assert "nothing of it is built" in moved.fault


def test_an_image_that_this_bivy_has_passed_is_not_checked_again(tmp_path: Path) -> None:
    image = bad(made("3.14.7"))  # would fail, if it were checked
    vouch(image, tmp_path)
    assert move_tags("x", NAMES, lambda: [image], lambda: "y", cache=tmp_path, progress=Silent()).done


@pytest.mark.parametrize(("status", "bivy"), [(Status.FAILED, None), (Status.PASSED, "0.0.1")])
def test_one_that_failed_or_that_another_bivy_checked_is_checked_again(
    status: Status, bivy: str | None, tmp_path: Path
) -> None:
    image = bad(made("3.14.7"))
    vouch(image, tmp_path, status, **({"bivy": bivy} if bivy else {}))
    moved = move_tags("x", NAMES, lambda: [image], lambda: "y", cache=tmp_path, progress=Silent())
    assert ("linux/amd64", "world-writable") in moved.failures
    kept = last(image.digest, tmp_path)
    assert kept
    assert not kept.passed


def test_a_fault_on_the_way_is_said_and_not_raised(tmp_path: Path) -> None:
    def move() -> str:
        raise BivyError("the registry is full", hint="make room")

    moved = move_tags("x", NAMES, lambda: [made("3.14.7")], move, cache=tmp_path, progress=Silent(), checks=CHECKS)
    assert (moved.done, moved.fault, moved.hint) == (False, "the registry is full", "make room")


@pytest.mark.parametrize(
    ("destination", "bare"),
    [("localhost:5000/python", "localhost:5000/python"), ("registry.example/a/b", "registry.example/a/b"),
     ("me/python", "docker.io/me/python"), ("docker://localhost:5000/python", "localhost:5000/python")],
)  # fmt: skip
def test_a_destination_of_many_tags_is_a_repository(destination: str, bare: str) -> None:
    assert repository_of(destination) == bare


@pytest.mark.parametrize(
    "destination", ["localhost:5000/python:3.14", f"me/python@sha256:{'0' * 64}", "me/Python", "a b", "", "me/python:"]
)
def test_one_with_a_tag_a_digest_or_odd_characters_is_refused(destination: str) -> None:
    with pytest.raises(UsageError):
        repository_of(destination)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with real_registry(tmp_path / "registry") as found:
        yield found


def pulled(repository: str, tag: str, tmp_path: Path, platform: str = "linux/amd64") -> str:
    name = parse_name(f"{repository}:{tag}")
    with Session(name) as session:
        return pull_image(session, platform, cache=tmp_path / "cache", progress=Silent()).digest


@pytest.mark.registry
def test_all_images_are_pushed_with_their_tags_but_those_that_do_not_pass(registry: Registry, tmp_path: Path) -> None:
    layout, repository = tmp_path / "dist", str(registry.name()).rpartition(":")[0]

    def push() -> dict[str, Moved]:
        rows = [row for row in list_tags(layout, load_image("python"), KNOWN).rows if row.built]
        moved = push_all(rows, layout, repository, cache=tmp_path / "cache", progress=Silent(), checks=CHECKS)
        return {each.name: each for each in moved}

    amd, arm = put(layout, NEW, "x86_64", "aarch64")
    (older,) = put(layout, Edition("3.13.15"))
    assert all(each.done for each in push().values())
    for tag in tag_names("3.14.7"):
        assert pulled(repository, tag, tmp_path) == amd.digest
        assert pulled(repository, tag, tmp_path, "linux/arm64/v8") == arm.digest
    assert pulled(repository, "3.13-alpine", tmp_path) == older.digest

    for image in (bad(made("3.14.7", arch="aarch64")), made("3.14.7", note="new")):
        write_image(image, layout, NAMES)
    (newer,) = put(layout, Edition("3.13.15"), note="new")
    moved = push()
    assert not moved["python:3.14.7-alpine"].done
    assert pulled(repository, "3.14-alpine", tmp_path) == amd.digest
    assert moved["python:3.13.15-alpine"].done
    assert pulled(repository, "3.13-alpine", tmp_path) == newer.digest
