import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bivy.errors import BivyError, UsageError
from bivy.oci import archive as archive_module
from bivy.oci import media
from bivy.oci.archive import read_archive, write_archive
from bivy.oci.layer import read_layer
from tests.oci.images import sample

NAME = "python:3.14-alpine"
FORMS = ["oci-archive", "docker-archive"]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def files_of(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {
            member.name: (archive.extractfile(member) or io.BytesIO()).read() for member in archive if member.isfile()
        }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["", NAME])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_an_image_is_the_same_after_it_was_in_an_archive(
    tmp_path: Path, scratch: Path, form: str, name: str, compression: str
) -> None:
    image = sample("arm64", variant="v8", compression=compression)  # type: ignore[arg-type]
    write_archive(image, tmp_path / "image.tar", NAME, form)
    read = read_archive(tmp_path / "image.tar", name, "", scratch)
    assert read.config == image.config
    assert [layer.created_by for layer in read.layers] == ["base", "python"]
    assert [read_layer(layer) for layer in read.layers] == [read_layer(layer) for layer in image.layers]
    assert (read.digest == image.digest) is (form == "oci-archive")


@pytest.mark.parametrize("form", FORMS)
def test_the_same_image_gives_the_same_archive(tmp_path: Path, form: str) -> None:
    for name in ("one", "two"):
        write_archive(sample(), tmp_path / name, NAME, form)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_docker_loads_names_config_layers_and_tag(tmp_path: Path) -> None:
    write_archive(sample(), tmp_path / "image.tar", NAME, "docker-archive")
    files = files_of(tmp_path / "image.tar")
    (saved,) = json.loads(files["manifest.json"])
    assert saved["RepoTags"] == [NAME]
    assert json.loads(files[saved["Config"]])["config"]["Cmd"] == ["python3"]
    assert [files[layer] for layer in saved["Layers"]] == [read_layer(layer) for layer in sample().layers]


@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_name_is_told_with_those_that_are_there(tmp_path: Path, scratch: Path, form: str) -> None:
    write_archive(sample(), tmp_path / "image.tar", NAME, form)
    with pytest.raises(UsageError, match="has no image 'python:3'") as fault:
        read_archive(tmp_path / "image.tar", "python:3", "", scratch)
    assert NAME in (fault.value.hint or "")


def test_of_several_saved_images_one_has_to_be_named(tmp_path: Path, scratch: Path) -> None:
    write_archive(sample(), tmp_path / "image.tar", NAME, "docker-archive")
    files = files_of(tmp_path / "image.tar")
    (saved,) = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps([saved, {**saved, "RepoTags": ["two"]}, {**saved, "RepoTags": None}]).encode()
    write_tar(tmp_path / "image.tar", files)
    assert read_archive(tmp_path / "image.tar", "two", "", scratch).config == sample().config
    with pytest.raises(UsageError, match="has not just one image"):
        read_archive(tmp_path / "image.tar", "", "", scratch)


def test_what_newer_dockers_save_is_read(tmp_path: Path, scratch: Path) -> None:
    # An OCI layout whose names lack the repository, a manifest.json beside it, and layers compressed as pulled.
    image = sample()
    write_archive(image, tmp_path / "image.tar", "3.14-alpine", "oci-archive")
    files = files_of(tmp_path / "image.tar")
    files["manifest.json"] = json.dumps([
        {
            "Config": f"blobs/sha256/{image.config_blob.digest[7:]}", "RepoTags": [NAME],
            "Layers": [f"blobs/sha256/{layer.digest[7:]}" for layer in image.layers], "LayerSources": {},
        }
    ]).encode()  # fmt: skip
    write_tar(tmp_path / "image.tar", {f"./{name}": content for name, content in files.items()})
    read = read_archive(tmp_path / "image.tar", NAME, "", scratch)
    assert [layer.media_type for layer in read.layers] == [media.LAYER_GZIP] * 2
    assert [read_layer(layer) for layer in read.layers] == [read_layer(layer) for layer in image.layers]


def test_a_compressed_archive_is_read(tmp_path: Path, scratch: Path) -> None:
    write_archive(sample(), tmp_path / "image.tar", NAME, "docker-archive")
    (tmp_path / "image.tar.gz").write_bytes(gzip.compress((tmp_path / "image.tar").read_bytes()))
    assert read_archive(tmp_path / "image.tar.gz", NAME, "", scratch).config == sample().config


def test_an_altered_layer_is_found_out(tmp_path: Path, scratch: Path) -> None:
    for form in FORMS:
        write_archive(sample(), tmp_path / "image.tar", NAME, form)
        files = files_of(tmp_path / "image.tar")
        largest = max(files, key=lambda name: (len(files[name]), name))
        files[largest] = files[largest].replace(b"python", b"pythom")[:-1] + b"!"
        write_tar(tmp_path / "image.tar", files)
        with pytest.raises(BivyError, match=r"was altered|decompresses to"):
            _ = [read_layer(layer) for layer in read_archive(tmp_path / "image.tar", "", "", scratch).layers]


def test_a_file_that_is_not_there_is_told(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.tar: No such file"):
        read_archive(tmp_path / "nothing.tar", "", "", scratch)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": b""}, "neither an OCI archive nor a docker archive"),
        ({"manifest.json": b"{"}, "manifest.json is damaged"),
        ({"manifest.json": b"[" * 100_000}, "manifest.json is damaged"),
        ({"manifest.json": b'[{"Config":1}]'}, "manifest.json is damaged"),
        ({"manifest.json": b'[{"Config":"../../etc/passwd","Layers":[]}]'}, "which manifest.json names, is missing"),
        ({"manifest.json": b'[{"Config":"/etc/passwd","Layers":[]}]'}, "which manifest.json names, is missing"),
        ({"manifest.json": b'[{"Config":"a\\u0000","Layers":[]}]'}, "which manifest.json names, is missing"),
        ({"manifest.json": b'[{"Config":"c","Layers":[]}]', "c": b"[]"}, "config is not one"),
        ({"index.json": b"{}"}, "is damaged"),
        ({"../x": b""}, "has no place in an image's archive"),
        ({"/x": b""}, "has no place in an image's archive"),
        ({"a": b"", "a/b": b""}, "two files in one place"),
        ({"a/b": b"", "a": b""}, "two files in one place"),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, scratch: Path, files: dict[str, bytes], message: str) -> None:
    write_tar(tmp_path / "image.tar", files)
    with pytest.raises(BivyError, match=message):
        read_archive(tmp_path / "image.tar", "", "", scratch)
    assert {path.name for path in tmp_path.iterdir()} == {"image.tar", "scratch"}


def write_with_links(path: Path, target: str) -> None:
    """Write an archive as older dockers save an image one of whose layers is there twice."""
    write_archive(sample(), path, NAME, "docker-archive")
    files = files_of(path)
    (saved,) = json.loads(files["manifest.json"])
    linked = saved["Layers"][0]
    files["manifest.json"] = json.dumps([{**saved, "Layers": ["0123/layer.tar", saved["Layers"][1]]}]).encode()
    write_tar(path, files)
    member = tarfile.TarInfo("0123/layer.tar")
    member.type, member.linkname = tarfile.SYMTYPE, target.format(linked)
    with tarfile.open(path, "a") as archive:
        archive.addfile(member)


def test_a_layer_that_is_a_link_to_another_is_that_layer(tmp_path: Path, scratch: Path) -> None:
    write_with_links(tmp_path / "image.tar", "../{}")
    read = read_archive(tmp_path / "image.tar", NAME, "", scratch)
    assert [read_layer(layer) for layer in read.layers] == [read_layer(layer) for layer in sample().layers]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../../../../etc/passwd", "..", "../nothing", ""])
def test_a_link_never_leads_out_of_the_archive(tmp_path: Path, scratch: Path, target: str) -> None:
    write_with_links(tmp_path / "image.tar", target)
    with pytest.raises(BivyError, match=r"'0123/layer\.tar', which manifest\.json names, is missing"):
        read_archive(tmp_path / "image.tar", NAME, "", scratch)


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE])
def test_devices_and_the_like_are_refused(tmp_path: Path, scratch: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("blobs")
    member.type, member.linkname = kind, "/etc"
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.addfile(member)
    with pytest.raises(BivyError, match="'blobs' has no place"):
        read_archive(tmp_path / "image.tar", "", "", scratch)


@pytest.mark.parametrize("bound", ["MOST_BYTES", "MOST_MEMBERS"])
def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(archive_module, bound, 20)
    write_tar(tmp_path / "image.tar", {f"blob{number}": b"x" for number in range(30)})
    with pytest.raises(BivyError, match="than any image"):
        read_archive(tmp_path / "image.tar", "", "", scratch)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.floats(0, 1, exclude_max=True), st.booleans(), st.sampled_from(FORMS), st.booleans())
def test_damage_anywhere_is_told_or_harmless(
    tmp_path: Path, scratch: Path, where: float, cut: bool, form: str, compressed: bool
) -> None:
    write_archive(sample(), tmp_path / "image.tar", NAME, form)
    content = bytearray((tmp_path / "image.tar").read_bytes().rstrip(b"\0"))
    if compressed:
        content = bytearray(gzip.compress(content, 1))
    position = int(where * len(content))
    content[position] ^= 0x55
    (tmp_path / "image.tar").write_bytes(content[:position] if cut else content)
    try:
        image = read_archive(tmp_path / "image.tar", "", "", scratch)
        layers = [read_layer(layer) for layer in image.layers]
    except BivyError:
        return
    assert layers == [read_layer(layer) for layer in sample().layers]
