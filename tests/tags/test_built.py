"""What is built is found with its tags, and what is wrong in a layout hides nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bivy.errors import BivyError, UsageError
from bivy.images.definition import load_image
from bivy.oci.layout import list_names, open_manifest, read_image, write_image
from bivy.tags.built import Listing, Row, built_rows, candidate, known_versions, list_tags, node_of_row
from bivy.tags.rules import Edition
from tests.tags.making import KNOWN, TITLE, VERSION, made, put

PYTHON = load_image("python")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout with an image that nobody asks for, so that it is one."""
    write_image(made("3.14.7"), tmp_path / "dist", ["shop:1"])
    return tmp_path / "dist"


def listed(layout: Path) -> Listing:
    return list_tags(layout, PYTHON, KNOWN)


def row(listing: Listing, exact: str) -> Row:
    return next(row for row in listing.rows if row.exact == f"python:{exact}")


def blob(layout: Path, digest: str) -> Path:
    return layout / "blobs/sha256" / digest.removeprefix("sha256:")


def test_what_could_be_built_is_listed_with_its_tags(layout: Path) -> None:
    assert [(row.exact, row.built) for row in listed(layout).rows] == [
        ("python:3.14.7-alpine", ()), ("python:3.13.15-alpine", ()),
    ]  # fmt: skip


def test_the_versions_that_can_be_built_are_the_recipes() -> None:
    assert {"3.14.7", "3.13.15"} <= set(known_versions(PYTHON))


def test_what_is_built_is_listed_for_each_architecture(layout: Path) -> None:
    images = put(layout, Edition("3.14.7"), "x86_64", "armv7")
    built = row(listed(layout), "3.14.7-alpine").built
    assert [(each.platform, each.digest) for each in built] == [
        ("linux/amd64", images[0].digest), ("linux/arm/v7", images[1].digest),
    ]  # fmt: skip


def test_both_kinds_of_one_version_have_tags_of_their_own(layout: Path) -> None:
    put(layout, Edition("3.14.7"))
    put(layout, Edition("3.14.7", "3.24"))
    put(layout, Edition("3.14.7", "edge"))
    assert row(listed(layout), "3.14.7-alpine").tags[-1] == "alpine"
    assert row(listed(layout), "3.14.7-alpine3.24").tags[-1] == "alpine3.24"
    assert row(listed(layout), "3.14.7-alpineedge").tags[-1] == "alpineedge"


def test_an_older_patch_that_is_built_does_not_claim_the_tags_of_one_that_could_be(layout: Path) -> None:
    put(layout, Edition("3.14.6"))
    assert row(listed(layout), "3.14.6-alpine").tags == ("3.14.6-alpine",)
    assert row(listed(layout), "3.14.7-alpine").tags[-1] == "alpine"


def test_a_newer_version_than_the_recipes_is_known_of_too(layout: Path) -> None:
    put(layout, Edition("3.15.0"), known=())
    assert row(listed(layout), "3.15.0-alpine").tags[-1] == "alpine"
    assert row(listed(layout), "3.14.7-alpine").tags == ("3.14.7-alpine", "3.14-alpine")


def test_of_two_that_say_that_they_are_the_same_that_of_the_exact_name_is_meant(layout: Path) -> None:
    write_image(made("3.14.7", note="old"), layout, ["python:3.14-alpine", "python:alpine"])
    write_image(made("3.14.7", note="new"), layout, ["python:3.14.7-alpine"])
    listing = listed(layout)
    assert [each.digest for each in row(listing, "3.14.7-alpine").built] == [made("3.14.7", note="new").digest]
    assert listing.problems == ()


def test_of_two_of_no_exact_name_one_is_a_problem(layout: Path) -> None:
    write_image(made("3.14.7", note="old"), layout, ["python:3.14-alpine"])
    write_image(made("3.14.7", note="new"), layout, ["python:alpine"])
    (problem,) = listed(layout).problems
    assert "both say that they are python:3.14.7-alpine" in problem.message


def test_what_has_not_passed_its_checks_is_not_listed(layout: Path) -> None:
    write_image(made("3.14.7"), layout, [candidate("python", Edition("3.14.7"))])
    assert not row(listed(layout), "3.14.7-alpine").built


@pytest.mark.parametrize(
    ("annotations", "said"),
    [({}, "has no version"), ({VERSION: ""}, "has no version"), ({VERSION: "3.14 7"}, "is not a version of Python's"),
     ({VERSION: "3.14.7"}, "does not say whether"), ({VERSION: "3.14.7", TITLE: "shop:1"}, "does not say whether"),
     ({VERSION: "3.14.7\x1b[2J", TITLE: "x"}, "is not a version of Python's"),
     ({VERSION: "3.14.7", TITLE: "python:3.14-alpine3.24/../x"}, "does not say whether")],
)  # fmt: skip
def test_an_image_that_does_not_say_what_it_is_is_a_problem_and_hides_no_other(
    annotations: dict[str, str], said: str, layout: Path
) -> None:
    put(layout, Edition("3.13.15"))
    write_image(made("3.14.7", annotations=annotations), layout, ["python:3.14-alpine"])
    listing = listed(layout)
    (problem,) = listing.problems
    assert problem.subject == "python:3.14-alpine (linux/amd64)"
    assert said in problem.message
    assert "\x1b" not in problem.message + problem.hint
    assert row(listing, "3.13.15-alpine").built


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_an_image_that_lacks_a_blob_is_a_problem_and_hides_no_other(which: str, layout: Path) -> None:
    put(layout, Edition("3.13.15"))
    (image,) = put(layout, Edition("3.14.7"))
    digests = {"manifest": image.digest, "config": image.config_blob.digest, "layer": image.layers[0].digest}
    blob(layout, digests[which]).unlink()
    listing = listed(layout)
    assert all("is missing" in problem.message for problem in listing.problems)
    assert {problem.subject.split(" ")[0] for problem in listing.problems} == {
        f"python:{tag}" for tag in ("3.14.7-alpine", "3.14-alpine", "3-alpine", "alpine")
    }
    assert not row(listing, "3.14.7-alpine").built
    assert row(listing, "3.13.15-alpine").built


def test_an_index_that_is_missing_is_a_problem_and_hides_no_other(layout: Path) -> None:
    put(layout, Edition("3.13.15"))
    put(layout, Edition("3.14.7"), "x86_64", "aarch64")
    names = json.loads((layout / "index.json").read_text())["manifests"]
    index = next(each["digest"] for each in names if each["mediaType"].endswith("index.v1+json"))
    blob(layout, index).unlink()
    listing = listed(layout)
    assert {problem.subject for problem in listing.problems} >= {"python:3.14.7-alpine", "python:alpine"}
    assert row(listing, "3.13.15-alpine").built


def test_names_with_odd_characters_are_images_of_their_own_or_problems_on_one_line(layout: Path) -> None:
    odd = ["python:\x1b[31m", "python:", "python", "python:ü", "python:a\nb", "../python:3.14-alpine", ":", "python::"]
    write_image(made("3.14.7", annotations={}), layout, odd)
    put(layout, Edition("3.13.15"))
    listing = listed(layout)
    assert {"python:ü (linux/amd64)", "python:a b (linux/amd64)"} <= {each.subject for each in listing.problems}
    assert all(each.subject.isprintable() and each.message.isprintable() for each in listing.problems)
    assert row(listing, "3.13.15-alpine").built


def test_an_empty_layout_has_no_image_and_all_tags(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    assert [row.built for row in listed(tmp_path).rows] == [(), ()]
    with pytest.raises(BivyError, match="none of the images is built"):
        built_rows(listed(tmp_path).rows)


def test_a_folder_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not an OCI layout"):
        listed(tmp_path)


def test_an_image_is_pushed_as_it_is_in_the_layout(layout: Path) -> None:
    put(layout, Edition("3.14.7"), "x86_64", "aarch64")
    node = node_of_row(row(listed(layout), "3.14.7-alpine"), layout)
    assert blob(layout, node.digest).is_file()
    assert len(node.nodes) == 2


def test_an_architecture_of_an_older_version_does_not_come_along_under_a_loose_name(layout: Path) -> None:
    write_image(made("3.14.6", arch="aarch64"), layout, ["python:3.14-alpine", "python:3.14.6-alpine"])
    (image,) = put(layout, Edition("3.14.7"))
    assert read_image(layout, "python:3.14-alpine", "linux/arm64/v8").annotations[VERSION] == "3.14.6"
    node = node_of_row(row(listed(layout), "3.14.7-alpine"), layout)
    assert node.digest == image.digest
    assert open_manifest(layout, node.digest).annotations[VERSION] == "3.14.7"
    assert "python:3.14.6-alpine" in list_names(layout)
