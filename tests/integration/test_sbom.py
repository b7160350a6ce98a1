"""The list of everything in the whole image: by other people's programs, and as it hangs on the image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bivy.oci.layout import read_image, read_node
from bivy.sbom.image import MEDIA_TYPES
from tests.integration.conftest import NAME, bivy
from tests.integration.test_image_clients import run
from tests.oci.registry.real import real_registry
from tests.sbom.making import check_cyclonedx, check_spdx

pytestmark = pytest.mark.image


@pytest.fixture(scope="session")
def archive(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the image alone: syft takes no layout that has the list beside it."""
    from bivy.oci.archive import write_archive

    path = tmp_path_factory.mktemp("archive") / "image.tar"
    write_archive(read_image(dist, NAME), path, NAME, "oci-archive")
    return path


def listed(reference: str, *words: str) -> bytes:
    return bivy("sbom", reference, *words).stdout.encode()


def test_both_formats_of_the_whole_image_are_valid(dist: Path, tmp_path: Path) -> None:
    first = check_cyclonedx(listed(f"oci:{dist}:{NAME}"))
    second = check_spdx(listed(f"oci:{dist}:{NAME}", "--format", "spdx"), tmp_path)
    purls = {each["purl"] for each in first["components"]}
    others = {
        each["externalRefs"][0]["referenceLocator"]
        for each in second["packages"] if each["primaryPackagePurpose"] != "SOURCE"
    }  # fmt: skip
    assert others == purls | {first["metadata"]["component"]["purl"]}


def test_everything_that_is_compiled_names_its_source_and_its_licence(dist: Path) -> None:
    found = {each["name"]: each for each in check_cyclonedx(listed(f"oci:{dist}:{NAME}"))["components"]}
    assert all(each.get("licenses") for each in found.values())
    without = {name for name, each in found.items() if not each.get("pedigree")}
    # pip comes with Python's source; the others are made of files of bivy's own.
    assert without == {
        "alpine-baselayout", "alpine-baselayout-data", "alpine-keys", "alpine-release", "bivy-apk", "pip"
    }  # fmt: skip


@pytest.mark.clients
def test_syft_finds_what_bivy_lists_and_beside_it_only_what_is_no_part_of_the_image_s_programs(
    dist: Path, archive: Path
) -> None:
    said = json.loads(run("syft", f"oci-archive:{archive}", "-o", "json", SYFT_CHECK_FOR_APP_UPDATE="false"))
    assert said["distro"]["idLike"] == ["alpine"]
    own = {each["purl"] for each in check_cyclonedx(listed(f"oci:{dist}:{NAME}"))["components"]}
    found: dict[str, dict[str, Any]] = {each["purl"]: each for each in said["artifacts"]}
    assert own <= set(found)
    # The wheels that pip makes on Windows start by these: programs for Windows, as data of pip's.
    for purl in set(found) - own:
        paths = [place["path"] for place in found[purl]["locations"]]
        assert all("/pip/_vendor/distlib/" in path and path.endswith(".exe") for path in paths), purl
    report = json.loads(bivy("inspect", NAME, "--output", str(dist), "--json").stdout)
    apk = {(each["name"], each["version"]) for each in found.values() if each["type"] == "apk"}
    assert apk == {(package["name"], package["version"]) for package in report["packages"]}


def test_the_list_hangs_on_the_image_and_building_again_leaves_all_as_it_is(dist: Path) -> None:
    attached = {each.artifact_type: each for each in read_node(dist, NAME).referrers}
    assert set(attached) == set(MEDIA_TYPES.values())
    for form, kind in MEDIA_TYPES.items():
        assert attached[kind].subject == read_image(dist, NAME).digest
        content = attached[kind].blobs[0].read()
        assert content == listed(f"oci:{dist}:{NAME}", "--format", form)
        assert content == listed(f"oci:{dist}:{NAME}", "--format", form, "--scan")
    before = (dist / "index.json").stat().st_mtime_ns
    assert json.loads(bivy("build", "3.14", "--output", str(dist), "--json").stdout)["unchanged"]
    assert (dist / "index.json").stat().st_mtime_ns == before


def test_an_image_that_an_older_bivy_built_gets_its_list_without_being_made_anew(dist: Path, tmp_path: Path) -> None:
    from bivy.oci.layout import list_images, write_image

    names = [each.name for each in list_images(dist)]
    write_image(read_image(dist, NAME), tmp_path / "dist", names)
    assert read_node(tmp_path / "dist", NAME).referrers == ()
    assert json.loads(bivy("build", "3.14", "--output", str(tmp_path / "dist"), "--json").stdout)["unchanged"]
    assert [each.digest for each in read_node(tmp_path / "dist", NAME).referrers] == [
        each.digest for each in read_node(dist, NAME).referrers
    ]


def test_an_archive_has_the_same_list_as_the_layout(dist: Path, archive: Path) -> None:
    assert listed(f"oci-archive:{archive}") == listed(f"oci:{dist}:{NAME}")


def test_the_list_goes_into_a_file(dist: Path, tmp_path: Path) -> None:
    done = bivy("sbom", NAME, "--output", str(dist), "-o", str(tmp_path / "sbom.json"))
    assert done.stdout == ""
    assert (tmp_path / "sbom.json").read_bytes() == listed(f"oci:{dist}:{NAME}")


@pytest.mark.clients
def test_umoci_leaves_the_lists_where_they_are(dist: Path, tmp_path: Path) -> None:
    bivy("build", "3.14", "--output", str(tmp_path / "dist"))
    run("umoci", "tag", "--image", f"{tmp_path}/dist:{NAME}", "theirs")
    run("umoci", "gc", "--layout", tmp_path / "dist")
    for form in MEDIA_TYPES:
        here = listed(f"oci:{tmp_path}/dist:theirs", "--format", form)
        assert here == listed(f"oci:{dist}:{NAME}", "--format", form)
    assert len(read_node(tmp_path / "dist", "theirs").referrers) == len(MEDIA_TYPES)


@pytest.mark.registry
def test_the_list_goes_with_the_image_into_a_registry_and_is_found_there(dist: Path, tmp_path: Path) -> None:
    with real_registry(tmp_path / "registry") as registry:
        name = str(registry.name("python", "3.14-alpine"))
        bivy("push", NAME, name, "--output", str(dist))
        for form in MEDIA_TYPES:
            done = bivy("sbom", name, "--format", form, "-v")
            assert done.stdout.encode() == listed(f"oci:{dist}:{NAME}", "--format", form)
            assert "it was attached to the image" in done.stderr
