import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bivy.arch import build_machine
from bivy.errors import BivyError, UsageError
from bivy.files import locked
from bivy.oci import media
from bivy.oci.blob import Blob
from bivy.oci.image import Image
from bivy.oci.layer import apply_changes, read_layer, read_tar
from bivy.oci.layout import Listed, find_image, list_images, read_image, remove_image, write_image
from bivy.rootfs.tree import Tree
from tests.oci.images import BASE, sample

NAME = "python:3.14-alpine"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "dist"


def blob_path(layout: Path, digest: str) -> Path:
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def digests(image: Image) -> set[str]:
    return {blob.digest for blob in image.blobs}


def stored(layout: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in (layout / "blobs" / "sha256").iterdir()}


def test_an_image_is_the_same_after_it_was_written_and_read(layout: Path) -> None:
    image = sample()
    write_image(image, layout, [NAME])
    read = read_image(layout, NAME, "linux/amd64")
    assert read.digest == image.digest
    assert (read.config, read.annotations) == (image.config, image.annotations)
    assert [(layer.diff_id, layer.created_by) for layer in read.layers] == [
        (layer.diff_id, layer.created_by) for layer in image.layers
    ]
    assert apply_changes(Tree.of([]), read_tar(read_layer(read.layers[0]), "layer")).size == BASE.size


def test_the_layout_is_as_the_specification_has_it(layout: Path) -> None:
    image = sample("arm", variant="v7")
    write_image(image, layout, [NAME])
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((layout / "index.json").read_bytes()) == {
        "schemaVersion": 2,
        "mediaType": media.INDEX,
        "manifests": [
            {
                "mediaType": media.MANIFEST, "digest": image.digest, "size": image.manifest.size,
                "platform": {"architecture": "arm", "os": "linux", "variant": "v7"},
                "annotations": {"org.opencontainers.image.ref.name": NAME},
            }
        ],
    }  # fmt: skip
    assert stored(layout) == digests(image)


def test_layers_stay_on_disk_until_they_are_asked_for(layout: Path) -> None:
    write_image(sample(), layout, [NAME])
    assert all(isinstance(layer.blob.content, Path) for layer in read_image(layout, NAME).layers)


def test_an_image_has_several_names_and_a_layout_several_images(layout: Path) -> None:
    one, two = sample(), sample(note="two")
    write_image(two, layout, ["two"])
    write_image(one, layout, [NAME, "python:latest"])
    assert list_images(layout) == [
        Listed(NAME, "linux/amd64", one.digest),
        Listed("python:latest", "linux/amd64", one.digest),
        Listed("two", "linux/amd64", two.digest),
    ]
    assert read_image(layout, "two").digest == two.digest
    assert find_image(layout, "two", "linux/amd64") == two.digest
    assert find_image(layout, "two", "linux/s390x") == find_image(layout / "no", "two", "linux/amd64") == ""


def test_a_name_stands_for_an_image_on_each_platform(layout: Path) -> None:
    images = [sample(), sample("arm64", variant="v8"), sample("arm", variant="v7"), sample("arm", variant="v6")]
    for image in images:
        write_image(image, layout, [NAME])
    for image in images:
        assert read_image(layout, NAME, image.config.platform).digest == image.digest
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    assert entry["mediaType"] == media.INDEX
    assert read_image(layout, NAME, "linux/arm64").digest == images[1].digest
    assert {listed.platform for listed in list_images(layout)} == {image.config.platform for image in images}


def test_of_several_platforms_this_machines_is_meant_where_it_is_there(layout: Path) -> None:
    own = build_machine()
    foreign = [sample("arm", variant="v7"), sample("arm", variant="v6")]
    image = sample(own.oci, variant=own.variant)
    for each in foreign:
        write_image(each, layout, [NAME])
    with pytest.raises(UsageError, match="unless told for which platform") as fault:
        read_image(layout, NAME)
    assert "linux/arm/v6, linux/arm/v7" in (fault.value.hint or "")
    write_image(image, layout, [NAME])
    assert read_image(layout, NAME).digest == image.digest


def test_writing_again_replaces_the_image_of_that_platform_and_removes_what_only_it_had(layout: Path) -> None:
    old, new, arm = sample(note="old"), sample(note="new"), sample("arm64", variant="v8")
    for image in (old, arm, new):
        write_image(image, layout, [NAME])
    assert read_image(layout, NAME, "linux/amd64").digest == new.digest
    assert read_image(layout, NAME, "linux/arm64/v8").digest == arm.digest
    (index,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    assert stored(layout) == digests(new) | digests(arm) | {index["digest"]}


def test_the_layout_does_not_depend_on_the_order_in_which_images_came(tmp_path: Path) -> None:
    images = [sample(), sample("arm64", variant="v8"), sample("s390x")]
    for number, ordered in enumerate((images, images[::-1])):
        for image in ordered:
            write_image(image, tmp_path / str(number), [NAME, image.config.architecture])
    assert (tmp_path / "0" / "index.json").read_bytes() == (tmp_path / "1" / "index.json").read_bytes()
    assert stored(tmp_path / "0") == stored(tmp_path / "1")


def test_a_name_is_removed_with_what_only_it_referred_to(layout: Path) -> None:
    one, two = sample(), sample(note="two")
    write_image(one, layout, ["one", "also-one"])
    write_image(two, layout, ["two"])
    remove_image(layout, "two")
    assert stored(layout) == digests(one)
    remove_image(layout, "one")
    assert read_image(layout, "also-one").digest == one.digest
    remove_image(layout, "also-one")
    assert (list_images(layout), stored(layout)) == ([], set())
    with pytest.raises(UsageError, match="has no image 'one'"):
        remove_image(layout, "one")


def test_an_unknown_name_is_told_with_the_nearest_and_all_that_are_there(layout: Path) -> None:
    write_image(sample(), layout, [NAME, "other"])
    with pytest.raises(UsageError, match=r"has no image 'python:3\.41-alpine'") as fault:
        read_image(layout, "python:3.41-alpine")
    assert fault.value.hint == f"is {NAME} meant? it has other, {NAME}"
    with pytest.raises(UsageError, match=f"has no {NAME} for linux/386") as fault:
        read_image(layout, NAME, "linux/386")
    assert "linux/amd64" in (fault.value.hint or "")


def test_without_a_name_the_only_image_is_meant(layout: Path) -> None:
    write_image(sample(), layout, [NAME, "python:latest"])
    assert read_image(layout, "").digest == sample().digest
    write_image(sample(note="two"), layout, ["two"])
    with pytest.raises(UsageError, match="has several images"):
        read_image(layout, "")


def test_what_is_no_layout_is_told(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(UsageError, match=r"not an OCI layout: it has no index\.json"):
        read_image(tmp_path, NAME)
    with pytest.raises(UsageError, match=r"not an OCI layout, and not empty: it has letter\.txt"):
        write_image(sample(), tmp_path, [NAME])
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("which", [0, 1, 2, 3])
@pytest.mark.parametrize("damage", ["missing", "altered", "cut"])
def test_a_missing_or_altered_blob_is_told_with_what_refers_to_it_and_building_again_puts_it_right(
    layout: Path, which: int, damage: str
) -> None:
    image = sample()
    write_image(image, layout, [NAME])
    blob = image.blobs[which]
    path = blob_path(layout, blob.digest)
    if damage == "missing":
        path.unlink()
    elif damage == "altered":
        path.write_bytes(b"X" + path.read_bytes()[1:])
    else:
        path.write_bytes(path.read_bytes()[:-1])
    referrer = f"the index of {layout}" if which == 3 else f"manifest {image.digest}"
    with pytest.raises(
        BivyError, match=f"blob {blob.digest}, which {referrer} refers to, (is missing|was alt)"
    ) as told:
        _ = [each.read() for each in read_image(layout, NAME).blobs]
    assert "again" in (told.value.hint or "")
    write_image(image, layout, [NAME])
    assert [each.read() for each in read_image(layout, NAME).blobs] == [each.read() for each in image.blobs]


def test_damage_to_one_image_leaves_the_others_usable(layout: Path) -> None:
    arm, s390x, other = sample("arm64", variant="v8"), sample("s390x"), sample(note="other")
    write_image(arm, layout, ["broken"])
    write_image(s390x, layout, ["broken"])
    write_image(other, layout, ["sound"])
    broken = next(
        entry
        for entry in json.loads((layout / "index.json").read_bytes())["manifests"]
        if entry["mediaType"] == media.INDEX
    )
    blob_path(layout, broken["digest"]).unlink()
    assert read_image(layout, "sound").digest == other.digest
    with pytest.raises(BivyError, match=broken["digest"]):
        read_image(layout, "broken", "linux/s390x")
    write_image(sample(), layout, ["third"])
    assert find_image(layout, "third", "linux/amd64") == sample().digest
    assert digests(arm) <= stored(layout)
    write_image(arm, layout, ["broken"])
    assert read_image(layout, "broken").digest == arm.digest
    assert stored(layout) == digests(arm) | digests(other) | digests(sample())


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b'{"schemaVersion":2,"manifests":[{}]}', b"\xff"])
def test_a_damaged_index_is_told_and_never_written_over(layout: Path, content: bytes) -> None:
    write_image(sample(), layout, [NAME])
    (layout / "index.json").write_bytes(content)
    for use in (lambda: list_images(layout), lambda: write_image(sample(note="x"), layout, ["x"])):
        with pytest.raises(BivyError, match=r"index\.json is damaged") as fault:
            use()
        assert "remove" in (fault.value.hint or "")
    assert stored(layout) == digests(sample())


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "md5:0", "sha256:" + "0" * 63])
def test_a_digest_never_leads_out_of_the_layout(layout: Path, digest: str) -> None:
    write_image(sample(), layout, [NAME])
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"][0]["digest"] = digest
    (layout / "index.json").write_text(json.dumps(index))
    with pytest.raises(BivyError, match="is not a digest that bivy knows"):
        read_image(layout, NAME)


def test_a_manifest_whose_layers_are_not_those_of_its_config_is_refused(layout: Path) -> None:
    image = sample()
    document = json.loads(image.manifest.read())
    for change, message in (
        ({"layers": document["layers"][:1]}, "has 1 layers, its config 2"),
        ({"layers": [{**layer, "mediaType": "x/y"} for layer in document["layers"]]}, "x/y is not a kind of layer"),
    ):
        forged = Blob.of(json.dumps({**document, **change}).encode())
        write_image(Image(image.config, image.layers, config_blob=image.config_blob, manifest=forged), layout, [NAME])
        with pytest.raises(BivyError, match=message):
            read_image(layout, NAME)


def test_a_layout_of_another_tools_that_names_no_platform(layout: Path) -> None:
    write_image(sample("arm64"), layout, [NAME])
    index = json.loads((layout / "index.json").read_bytes())
    del index["manifests"][0]["platform"]
    (layout / "index.json").write_text(json.dumps(index))
    assert [image.platform for image in list_images(layout)] == ["linux/arm64"]
    assert read_image(layout, NAME, "linux/arm64/v8").digest == sample("arm64").digest


WRITER = """
import sys, pathlib
from bivy.oci.layout import write_image
from tests.oci.images import sample
image = sample(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    write_image(image, pathlib.Path(sys.argv[1]), ["shared", f"{sys.argv[2]}-{number}"])
"""


def test_two_that_write_at_once_do_not_lose_each_others_images(layout: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(layout), architecture],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for architecture in ("amd64", "s390x")
    ]
    with locked(layout / "blobs" / ".lock"):
        for writer in writers:
            assert writer.stdout
            assert writer.stdin
            assert writer.stdout.readline() == "ready\n"
            writer.stdin.write("\n")
            writer.stdin.flush()
        time.sleep(0.3)
        assert not (layout / "index.json").exists()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    for architecture in ("amd64", "s390x"):
        for name in ("shared", *(f"{architecture}-{number}" for number in range(8))):
            image = read_image(layout, name, f"linux/{architecture}")
            assert [blob.read() for blob in image.blobs]
    assert len(list_images(layout)) == 18


def test_a_full_disk_leaves_the_layout_as_it_was(layout: Path) -> None:
    write_image(sample(), layout, [NAME])
    before = (layout / "index.json").read_bytes()
    program = (
        "import resource, sys, pathlib; from tests.oci.images import sample; from bivy.oci.layout import write_image\n"
        "image = sample(note='x' * 5000)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"write_image(image, pathlib.Path({str(layout)!r}), ['new'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "File too large" in done.stderr
    assert (layout / "index.json").read_bytes() == before
    assert not [path.name for path in layout.rglob(".*") if path.name != ".lock"]
    assert read_image(layout, NAME).digest == sample().digest
