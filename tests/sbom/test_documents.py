"""A list in both formats, by their own schemas."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.build.graph import Recipes
from bivy.sbom.cyclonedx import as_cyclonedx
from bivy.sbom.image import in_order, list_image
from bivy.sbom.listing import Component, Listing, address, clean, purl_of
from bivy.sbom.spdx import as_spdx
from tests.sbom.making import check_cyclonedx, check_spdx, entry, image_with

PYTHON = Recipes().find("python")
BUSYBOX = Recipes().find("busybox")


@pytest.fixture(scope="module")
def listing() -> Listing:
    """Return the list of an image that has some of everything."""
    packages = [
        entry("python", PYTHON.version, "PSF-2.0", depends=("busybox",)), entry("busybox", BUSYBOX.version),
        entry("busybox-binsh", BUSYBOX.version, origin="busybox"), entry("tz", "1-r0", "Public-Domain"),
        entry("free", "1-r0", "do what you want, really"), entry("odd+name", "1_p2-r0", "MIT AND custom"),
        entry("theirs", "1-r0", "", commit="0" * 40, maintainer="Some One <some@example.org>",
              url="https://example.org/a b"),
    ]  # fmt: skip
    distributions = {
        "a-1": "Name: a\nVersion: 1+local\nSummary: what\nHome-page: https://example.org/\nLicense: BSD\n"
        "Requires-Dist: b\n",
        "b-1": "Name: b\nVersion: 1\nLicense: some words (c) <mail>\n",
    }
    return list_image(image_with(packages, distributions), "x")


def test_cyclonedx_is_valid_by_its_schema(listing: Listing) -> None:
    document = check_cyclonedx(as_cyclonedx(listing))
    assert document["specVersion"] == "1.6"
    found = {each["name"]: each for each in document["components"]}
    assert found["tz"]["licenses"] == [{"expression": "LicenseRef-Public-Domain"}]
    assert found["free"]["licenses"] == [{"license": {"name": "do what you want, really"}}]
    assert "licenses" not in found["theirs"]
    (ancestor,) = found["python"]["pedigree"]["ancestors"]
    assert ancestor["hashes"] == [{"alg": "SHA-256", "content": PYTHON.pins[0].places[0].sha256}]
    assert [each["diff"]["url"] for each in found["python"]["pedigree"]["patches"]] == list(
        PYTHON.data.sources[0].patches
    )
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert needs[found["python"]["bom-ref"]] == [found["busybox"]["bom-ref"]]
    assert len(needs["image"]) == len(document["components"])


def test_spdx_is_valid_by_its_schema_and_its_own_tool(listing: Listing, tmp_path: Path) -> None:
    document = check_spdx(as_spdx(listing), tmp_path)
    found = {each["name"]: each for each in document["packages"] if each["primaryPackagePurpose"] != "SOURCE"}
    assert found["tz"]["licenseDeclared"] == "LicenseRef-Public-Domain"
    assert found["free"]["licenseDeclared"] == "LicenseRef-do-what-you-want-really"
    assert found["theirs"]["licenseDeclared"] == "NOASSERTION"
    assert found["theirs"]["supplier"] == "Person: Some One (some@example.org)"
    texts = {each["licenseId"]: each["name"] for each in document["hasExtractedLicensingInfos"]}
    assert texts["LicenseRef-do-what-you-want-really"] == "do what you want, really"
    related = {(each["spdxElementId"], each["relationshipType"]) for each in document["relationships"]}
    assert (found["python"]["SPDXID"], "DEPENDS_ON") in related
    assert (found["python"]["SPDXID"], "GENERATED_FROM") in related
    patched = [each for each in document["relationships"] if each["relationshipType"] == "PATCH_APPLIED"
               and each["relatedSpdxElement"] == found["python"]["SPDXID"]]  # fmt: skip
    assert len(patched) == len(PYTHON.data.sources[0].patches)
    sources = [each for each in document["packages"] if each["primaryPackagePurpose"] == "SOURCE"]
    # Two of the packages come from busybox's source, which is there once.
    assert sorted(each["name"] for each in sources) == ["busybox", "python"]


def test_the_same_image_gives_the_same_bytes(listing: Listing) -> None:
    for write in (as_cyclonedx, as_spdx):
        assert write(listing) == write(listing)


def test_an_image_with_nothing_in_it_still_has_a_valid_list(tmp_path: Path) -> None:
    listing = list_image(image_with(created=""), "x")
    check_cyclonedx(as_cyclonedx(listing))
    check_spdx(as_spdx(listing), tmp_path)


WORDS = st.text(max_size=20).map(clean)
COMPONENTS = st.builds(
    lambda kind, name, version, licence, summary, supplier, url: Component(
        ref=purl_of("apk", "alpine", name, version) or f"apk:{name}@{version}", kind=kind, name=name or "x",
        version=version, purl=purl_of("apk", "alpine", name, version), license=licence, summary=summary,
        supplier=supplier, homepage=address(url),
    ),
    st.sampled_from(["package", "distribution", "program"]), WORDS, WORDS, WORDS, WORDS, WORDS,
    st.text(max_size=20).map("https://example.org/".__add__),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(COMPONENTS, max_size=4))
def test_whatever_things_are_called_cyclonedx_stays_valid(components: list[Component]) -> None:
    check_cyclonedx(as_cyclonedx(Listing("x", "", "id", 0, in_order(components))))


@settings(max_examples=25, deadline=None)
@given(st.lists(COMPONENTS, max_size=4))
def test_whatever_things_are_called_spdx_stays_valid(
    tmp_path_factory: pytest.TempPathFactory, components: list[Component]
) -> None:
    listing = Listing("x", "", "id", 0, in_order(components))
    check_spdx(as_spdx(listing), tmp_path_factory.getbasetemp())


@pytest.mark.parametrize(
    "text", ["ftp://a", "https://", "https://a b/", "javascript:x", "https://u:p@example.org/", ""]
)
def test_what_is_no_address_is_not_given_as_one(text: str) -> None:
    assert address(text) == ""
