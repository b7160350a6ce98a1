import json
from dataclasses import replace

from bivy.oci import media
from bivy.oci.blob import digest_of
from bivy.oci.config import History
from bivy.oci.image import add_layer, make_image
from bivy.oci.layer import layer_from_tree
from bivy.rootfs.tree import Tree
from tests.oci.images import sample
from tests.rootfs.trees import file


def test_the_manifest_names_config_and_layers_by_digest_and_size() -> None:
    image = sample()
    document = json.loads(image.manifest.read())
    assert document == {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "config": {"mediaType": media.CONFIG, "digest": image.config_blob.digest, "size": image.config_blob.size},
        "layers": [
            {"mediaType": media.LAYER_GZIP, "digest": layer.digest, "size": layer.size} for layer in image.layers
        ],
        "annotations": {"org.opencontainers.image.title": "sample"},
    }
    assert image.digest == digest_of(image.manifest.read())
    assert image.size == sum(len(layer.blob.read()) for layer in image.layers)


def test_the_same_inputs_make_the_same_image_and_others_another() -> None:
    image = sample()
    assert sample().digest == image.digest
    assert make_image(image.config, image.layers, image.annotations).digest == image.digest
    assert sample(note="other").digest != image.digest
    assert make_image(replace(image.config, cmd=()), image.layers).digest != image.digest


def test_blobs_come_before_what_refers_to_them() -> None:
    image = sample()
    digests = [blob.digest for blob in image.blobs]
    assert digests == [*(layer.digest for layer in image.layers), image.config_blob.digest, image.digest]


def test_a_layer_on_top_leaves_the_image_and_its_history_as_they_were() -> None:
    image = sample()
    label = History("LABEL a=1", empty_layer=True)
    derived = replace(image, config=replace(image.config, history=(*image.config.history, label)))
    layer = layer_from_tree(Tree.of([file("app/main.py")]), created_by="app")
    higher = add_layer(derived, layer)
    assert higher.layers == (*image.layers, layer)
    assert higher.config.diff_ids == (*image.config.diff_ids, layer.diff_id)
    assert [step.created_by for step in higher.config.history] == ["base", "python", "LABEL a=1", "app"]
    assert higher.config.created_by == ("base", "python", "app")
    assert higher.annotations == image.annotations
    assert len(image.layers) == 2
