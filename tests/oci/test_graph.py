from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.oci import media
from bivy.oci.blob import Blob
from bivy.oci.config import canonical
from bivy.oci.documents import Descriptor, index_of
from bivy.oci.graph import make_artifact, node_of, node_of_image, node_of_images, platforms_of
from bivy.oci.layout import list_images, read_image, read_node, remove_image, write_image
from tests.oci.images import sample

SBOM = "application/vnd.cyclonedx+json"
ARM = sample("arm64", variant="v8")


def test_an_artifact_says_what_it_is_and_what_it_is_about() -> None:
    artifact = make_artifact(sample(), SBOM, b"{1}", {"made": "today"})
    manifest = json.loads(artifact.document.read())
    assert manifest["artifactType"] == SBOM
    assert manifest["subject"]["digest"] == sample().digest == artifact.subject
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    assert [blob.read() for blob in artifact.blobs] == [b"{1}", b"{}"]
    assert (artifact.descriptor.artifact_type, artifact.descriptor.annotations) == (SBOM, {"made": "today"})
    assert make_artifact(sample(), SBOM, b"{1}", {"made": "today"}).digest == artifact.digest


def test_several_images_become_the_index_that_a_layout_makes_of_them(tmp_path: Path) -> None:
    for image in (ARM, sample()):
        write_image(image, tmp_path, ["app:1"])
    node = node_of_images([node_of_image(ARM), node_of_image(sample())])
    assert read_node(tmp_path, "app:1").digest == node.digest
    assert platforms_of(node) == ("linux/amd64", "linux/arm64/v8")
    assert node_of_images([node_of_image(ARM)]).digest == ARM.digest


def test_one_platform_of_a_name_is_read_alone(tmp_path: Path) -> None:
    for image in (ARM, sample()):
        write_image(image, tmp_path, ["app:1"])
    assert read_node(tmp_path, "app:1", "linux/arm64").digest == ARM.digest


def test_artifacts_stay_in_a_layout_for_as_long_as_their_image(tmp_path: Path) -> None:
    artifact = make_artifact(sample(), SBOM, b"{}")
    for _ in range(2):
        write_image(sample(), tmp_path, ["app:1"], [artifact])
    write_image(ARM, tmp_path, ["other:1"])
    assert [(each.name, each.digest) for each in list_images(tmp_path)] == [
        ("app:1", sample().digest),
        ("other:1", ARM.digest),
    ]
    (found,) = read_node(tmp_path, "app:1").referrers
    assert found.digest == artifact.digest
    assert [blob.read() for blob in found.blobs] == [b"{}"] * 1
    assert read_node(tmp_path, "other:1").referrers == ()
    remove_image(tmp_path, "app:1")
    assert len(json.loads((tmp_path / "index.json").read_bytes())["manifests"]) == 1
    assert not (tmp_path / "blobs/sha256" / artifact.digest[7:]).exists()


def test_a_layout_of_one_image_and_its_artifact_has_one_image(tmp_path: Path) -> None:
    write_image(sample(), tmp_path, ["app:1"], [make_artifact(sample(), SBOM, b"{}")])
    assert read_image(tmp_path, "").digest == sample().digest
    assert read_node(tmp_path, "").digest == sample().digest


def nested(depth: int) -> tuple[Descriptor, dict[str, Blob]]:
    blobs: dict[str, Blob] = {}
    entries: list[Descriptor] = []
    for _ in range(depth):
        blob = Blob.of(canonical(index_of(entries)))
        blobs[blob.digest] = blob
        entries = [Descriptor(media.INDEX, blob.digest, blob.size)]
    return entries[0], blobs


def test_indexes_within_indexes_without_end_are_refused() -> None:
    found, blobs = nested(3)
    assert len(list(node_of(found, "a test", lambda entry, _: blobs[entry.digest]).walk())) == 3
    found, blobs = nested(50)
    with pytest.raises(BivyError, match="indexes within indexes"):
        node_of(found, "a test", lambda entry, _: blobs[entry.digest])


@given(st.binary(max_size=200) | st.sampled_from([b"{}", b"[]", b"null", b'{"schemaVersion":2,"manifests":[null]}']))
def test_no_document_is_a_fault_of_bivys(content: bytes) -> None:
    blob = Blob.of(content)
    for kind in (media.INDEX, media.MANIFEST, "text/plain"):
        with pytest.raises(BivyError):
            node_of(Descriptor(kind, blob.digest, blob.size), "a test", lambda *_: blob)


def test_artifacts_come_after_all_images_in_the_index(tmp_path: Path) -> None:
    write_image(sample(), tmp_path, ["zoo:1"], [make_artifact(sample(), SBOM, b"{}")])
    write_image(sample(note="another"), tmp_path, [""])
    entries = json.loads((tmp_path / "index.json").read_text())["manifests"]
    assert ["artifactType" in each for each in entries] == [False, False, True]
