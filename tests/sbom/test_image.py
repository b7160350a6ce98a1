"""What is in an image, as far as it can be read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.build.graph import Recipes
from bivy.errors import BivyError
from bivy.oci.layout import find_artifacts, read_image, read_node, write_image
from bivy.sbom.image import MEDIA_TYPES, attachments, find_attached, is_attached, list_image, write_lists
from bivy.sbom.listing import Component, Listing
from tests.sbom.making import ALPINE, DATABASE, SITE, entry, image_with

ZLIB = Recipes().find("zlib")
PYTHON = Recipes().find("python")


def by_name(listing: Listing) -> dict[str, Component]:
    return {each.name: each for each in listing.components}


def test_packages_and_distributions_are_listed_by_their_package_urls() -> None:
    packages = [entry("odd", "1.0-r0"), entry("odd-libs", "1.0-r0", origin="odd")]
    listing = list_image(image_with(packages, {"pip-26.2": "Name: pip\nVersion: 26.2\n"}, release=ALPINE), "x")
    assert [each.ref for each in listing.components] == [
        "pkg:apk/alpine/odd-libs@1.0-r0?arch=x86_64&distro=alpine-3.24.1&upstream=odd",
        "pkg:apk/alpine/odd@1.0-r0?arch=x86_64&distro=alpine-3.24.1",
        "pkg:pypi/pip@26.2",
    ]
    assert listing.problems == ()


def test_the_image_s_own_title_names_it_and_its_digest_is_the_list_s_identity() -> None:
    image = image_with([entry("odd", "1-r0")])
    listing = list_image(image, "docker-archive:/tmp/some.tar")
    assert (listing.name, listing.version) == ("python", "3.14-alpine")
    assert (listing.identity, listing.digest) == (image.digest, image.digest)
    assert listing.purl == f"pkg:oci/python@{image.digest}?arch=amd64&tag=3.14-alpine"
    assert list_image(image, "another:name") == list_image(image, "python:3.14-alpine")


def test_an_image_without_a_title_is_called_what_the_person_called_it() -> None:
    listing = list_image(image_with(title=""), "registry.example/team/app:1@sha256:00")
    assert (listing.name, listing.version) == ("app", "1")


@pytest.mark.parametrize(
    ("created", "expected"),
    [("2026-01-01T00:00:00Z", 1767225600), ("2026-01-01T00:00:00.123456789Z", 1767225600), ("", 0), ("soon", 0),
     ("0001-01-01T00:00:00Z", 0)],
)  # fmt: skip
def test_the_list_is_as_old_as_the_image_whatever_the_clock_says(created: str, expected: int) -> None:
    assert list_image(image_with(created=created), "x").created == expected


def test_what_bivy_built_is_bivy_s_with_its_sources_and_patches() -> None:
    image = image_with([entry("python", PYTHON.version)])
    python = by_name(list_image(image, "x"))["python"]
    assert python.purl.startswith(f"pkg:apk/bivy/python@{PYTHON.version}?")
    (source,) = python.sources
    assert source.places[0].url.startswith("https://www.python.org/ftp/python/")
    assert {place.sha256 for place in source.places} == {place.sha256 for place in PYTHON.pins[0].places}
    for patch in source.patches:
        content = (PYTHON.folder / patch.name).read_bytes()
        assert (patch.sha256, patch.text) == (hashlib.sha256(content).hexdigest(), content.decode())
    assert [patch.name for patch in source.patches] == list(PYTHON.data.sources[0].patches)


def test_bivy_s_packages_stay_bivy_s_among_alpine_s() -> None:
    found = by_name(list_image(image_with([entry("zlib", ZLIB.version)], release=ALPINE), "x"))
    assert found["zlib"].purl == f"pkg:apk/bivy/zlib@{ZLIB.version}?arch=x86_64"
    assert found["zlib"].sources


def test_alpine_s_package_of_the_same_name_and_version_is_alpine_s_and_nothing_is_said_of_its_sources() -> None:
    image = image_with([entry("zlib", ZLIB.version, commit="0" * 40, maintainer="A <a@example.org>")])
    zlib = by_name(list_image(image, "x"))["zlib"]
    assert zlib.purl == f"pkg:apk/alpine/zlib@{ZLIB.version}?arch=x86_64"
    assert zlib.sources == ()


@pytest.mark.parametrize("package", [entry("zlib", "0.9-r0"), entry("zlib", ZLIB.version, origin="other")])
def test_nothing_is_said_of_sources_where_no_recipe_made_just_that(package: object) -> None:
    zlib = by_name(list_image(image_with([package]), "x"))["zlib"]  # type: ignore[list-item]
    assert zlib.sources == ()


def test_it_is_said_who_depends_on_whom() -> None:
    packages = [
        entry("tool", "1-r0", depends=("so:libx.so.1>=1", "data=2-r0", "!enemy", "cmd:gone")),
        entry("x-libs", "1-r0", provides=("so:libx.so.1=1.2",)), entry("data", "2-r0"), entry("enemy", "1-r0"),
    ]  # fmt: skip
    found = by_name(list_image(image_with(packages), "x"))
    assert found["tool"].needs == tuple(sorted((found["x-libs"].ref, found["data"].ref)))


def test_requirements_of_distributions_hold_where_their_markers_do() -> None:
    required = [
        "B_b>=1", "c; sys_platform == 'win32'", "d; python_version >= '3.10'", "e; extra == 'more'", "missing",
        "not a requirement at all", "f; nonsense == 'x'",
    ]  # fmt: skip
    text = "Name: a\nVersion: 1\n" + "".join(f"Requires-Dist: {each}\n" for each in required)
    others = {f"{name}-1": f"Name: {name}\nVersion: 1\n" for name in ("b.b", "c", "d", "e", "f")}
    found = by_name(list_image(image_with(distributions={"a-1": text, **others}), "x"))
    assert found["a"].needs == ("pkg:pypi/b-b@1", "pkg:pypi/d@1")


def test_the_digest_of_an_archive_that_was_installed_directly_is_told_and_where_it_was_is_not() -> None:
    direct = {"url": "file:///home/someone/a.whl", "archive_info": {"hashes": {"sha256": "ab" * 32}}}
    files = {f"{SITE}/a-1.dist-info/direct_url.json": json.dumps(direct).encode()}
    found = by_name(list_image(image_with(distributions={"a-1": "Name: a\nVersion: 1\n"}, files=files), "x"))
    assert (found["a"].sha256, found["a"].url) == ("ab" * 32, "")


def test_older_metadata_is_read_too_and_a_folder_s_name_stands_in_for_what_it_lacks() -> None:
    files = {
        f"{SITE}/old.egg-info/PKG-INFO": b"Name: Old\nVersion: 2\n", f"{SITE}/older-1.0.egg-info": b"Name: older\n",
        f"{SITE}/bare-3.dist-info/METADATA": b"",
    }  # fmt: skip
    assert [each.ref for each in list_image(image_with(files=files), "x").components] == [
        "pkg:pypi/bare@3", "pkg:pypi/old@2", "pkg:pypi/older@1.0"
    ]  # fmt: skip


def test_an_image_without_packages_and_python_is_listed_as_empty_and_that_is_said() -> None:
    listing = list_image(image_with(), "x")
    assert listing.components == ()
    assert [each.partition(" (")[0] for each in listing.problems] == [
        "it has no database of packages", "it has no Python distributions"
    ]  # fmt: skip


def test_one_bad_package_hides_no_other() -> None:
    good = image_with([entry("good", "1-r0"), entry("late", "1-r0")])
    listed = [each.ref for each in list_image(good, "x").components]
    text = "C:Q1x\nP:bad\nV:1\nI:many\n\nnonsense\n\n"
    from bivy.apk.database import InstalledPackage, format_installed

    database = format_installed([InstalledPackage(entry("good", "1-r0")), InstalledPackage(entry("late", "1-r0"))])
    listing = list_image(image_with(files={DATABASE: (text + database).encode()}), "x")
    assert [each.ref for each in listing.components] == listed
    assert sum("cannot be read" in each for each in listing.problems) == 2


def test_a_distribution_without_a_name_is_a_problem_and_hides_no_other() -> None:
    files = {f"{SITE}/nameless.dist-info/METADATA": b"\xff\xfe\n\n"}
    listing = list_image(image_with(distributions={"a-1": "Name: a\nVersion: 1\n"}, files=files), "x")
    assert [each.ref for each in listing.components] == ["pkg:pypi/a@1"]
    assert any("nameless.dist-info" in each for each in listing.problems)


def test_what_is_there_twice_is_listed_once() -> None:
    files = {f"opt/{SITE}/a-1.dist-info/METADATA": b"Name: A\nVersion: 1\n"}
    listing = list_image(image_with(distributions={"a-1": "Name: a\nVersion: 1\n"}, files=files), "x")
    assert len(listing.components) == 1


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=200))
def test_whatever_bytes_are_in_them_databases_and_metadata_are_read_or_a_problem(
    database: bytes, metadata: bytes, direct: bytes
) -> None:
    files = {
        DATABASE: database, f"{SITE}/a-1.dist-info/METADATA": metadata,
        f"{SITE}/a-1.dist-info/direct_url.json": direct, f"{SITE}/a-1.dist-info/RECORD": database,
    }  # fmt: skip
    assert list_image(image_with(files=files), "x").identity


def test_a_layer_that_is_missing_is_said(tmp_path: Path) -> None:
    image = image_with([entry("odd", "1-r0")])
    write_image(image, tmp_path, ["it"])
    (tmp_path / "blobs" / "sha256" / image.layers[0].blob.digest.removeprefix("sha256:")).unlink()
    with pytest.raises(BivyError, match="is missing"):
        list_image(read_image(tmp_path, "it"), "it")


def test_the_list_is_attached_to_the_image_and_changes_nothing_in_it(tmp_path: Path) -> None:
    image = image_with([entry("odd", "1-r0")])
    assert not is_attached(tmp_path, image.digest)
    write_image(image, tmp_path, ["it", "also-it"], attachments(image, "it"))
    assert is_attached(tmp_path, image.digest)
    assert read_image(tmp_path, "it").digest == image.digest
    node = read_node(tmp_path, "it")
    assert sorted(each.artifact_type for each in node.referrers) == sorted(MEDIA_TYPES.values())
    documents = write_lists(list_image(image, "it"))
    assert {form: find_attached(node, image.digest, form) for form in MEDIA_TYPES} == documents
    assert json.loads(documents["cyclonedx"])["metadata"]["component"]["name"] == "python"


def test_of_several_platforms_each_has_its_own_list(tmp_path: Path) -> None:
    from bivy.oci.image import with_config

    image = image_with([entry("odd", "1-r0")])
    other = with_config(image, replace(image.config, architecture="arm64", variant="v8"), image.annotations)
    for each in (image, other):
        write_image(each, tmp_path, ["it"], attachments(each, "it"))
    node = read_node(tmp_path, "it")
    lists = [find_attached(node, each.digest, "spdx") for each in (image, other)]
    assert lists == [write_lists(list_image(each, "it"))["spdx"] for each in (image, other)]


def test_lists_of_other_makers_are_passed_over(tmp_path: Path) -> None:
    from bivy.oci.graph import make_artifact

    image = image_with([entry("odd", "1-r0")])
    write_image(image, tmp_path, ["it"], [make_artifact(image, MEDIA_TYPES["spdx"], b"{}")])
    assert find_attached(read_node(tmp_path, "it"), image.digest, "spdx") is None


def test_a_list_made_anew_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    from bivy.oci.graph import make_artifact

    image = image_with([entry("odd", "1-r0")])
    older = make_artifact(image, "application/vnd.cyclonedx+json", b"{}")
    other = make_artifact(image, "application/vnd.example", b"{}")
    write_image(image, tmp_path, ["it"], [older, other])
    assert not is_attached(tmp_path, image.digest)
    write_image(image, tmp_path, ["it"], attachments(image, "it"))
    kinds = [each.artifact_type for each in find_artifacts(tmp_path, image.digest)]
    assert sorted(kinds) == sorted([*MEDIA_TYPES.values(), "application/vnd.example"])
    assert is_attached(tmp_path, image.digest)


def test_a_list_whose_bytes_are_missing_does_not_count_as_attached(tmp_path: Path) -> None:
    image = image_with([entry("odd", "1-r0")])
    artifacts = attachments(image, "it")
    write_image(image, tmp_path, ["it"], artifacts)
    (tmp_path / "blobs" / "sha256" / artifacts[0].blobs[0].digest.removeprefix("sha256:")).unlink()
    assert not is_attached(tmp_path, image.digest)
    write_image(image, tmp_path, ["it"], attachments(image, "it"))
    assert is_attached(tmp_path, image.digest)


def test_an_architecture_that_is_not_known_is_called_what_the_image_calls_it() -> None:
    from bivy.oci.image import with_config

    image = image_with([replace(entry("odd", "1-r0"), arch="")])
    strange = with_config(image, replace(image.config, architecture="m68k"), {})
    assert by_name(list_image(strange, "x"))["odd"].purl == "pkg:apk/bivy/odd@1-r0?arch=m68k&distro=bivy-0.1.0"
