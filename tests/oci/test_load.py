"""Images into docker and podman: podman itself, and programs that stand where docker would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from bivy.errors import BivyError, UsageError
from bivy.oci.archive import read_archive
from bivy.oci.layer import read_layer
from bivy.oci.load import load
from bivy.oci.reference import loaded_name
from bivy.progress import Silent
from tests.oci.images import sample

NAME = "example:1"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, the only ones that there are."""
    (tmp_path / "bin").mkdir()
    for name in ("sh", "cat", "head"):
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def program(place: Path, name: str, body: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_docker_is_given_is_the_image(place: Path, compression: str) -> None:
    program(place, "docker", f"cat > {place}/given; echo Loaded image: $1")
    image = sample(compression="zstd" if compression == "zstd" else "gzip")
    loaded = load(image, NAME, into=None, progress=Silent())
    assert (loaded.engine, loaded.said) == ("docker", "Loaded image: load")
    assert loaded.image_id == image.config_blob.digest
    read = read_archive(place / "given", NAME, "", place)
    assert read.config_blob.digest == image.config_blob.digest
    assert [read_layer(layer) for layer in read.layers] == [read_layer(layer) for layer in image.layers]


def test_layers_of_gzip_go_through_as_they_are(place: Path) -> None:
    program(place, "docker", f"cat > {place}/given")
    load(sample(), NAME, into="docker", progress=Silent())
    with tarfile.open(place / "given") as archive:
        sizes = [member.size for member in archive if member.name.endswith(".tar")]
    assert sizes == [layer.size for layer in sample().layers]


def test_the_one_that_answers_is_taken(place: Path) -> None:
    program(place, "docker", "echo no daemon; exit 1")
    program(place, "podman", f'[ "$1" = info ] || cat > {place}/given')
    assert load(sample(), NAME, into=None, progress=Silent()).engine == "podman"
    with pytest.raises(BivyError, match="docker load failed: no daemon") as fault:
        load(sample(), NAME, into="docker", progress=Silent())
    assert "--into podman" in (fault.value.hint or "")


def test_one_that_takes_only_a_part_says_why(place: Path) -> None:
    program(place, "docker", "head -c 10 > /dev/null; echo no space left on device >&2; exit 3")
    with pytest.raises(BivyError, match="docker load failed: no space left on device") as fault:
        load(sample(), NAME, into=None, progress=Silent())
    assert "make room" in (fault.value.hint or "")


def test_where_neither_is_installed_the_person_is_told(place: Path) -> None:
    with pytest.raises(UsageError, match="neither docker nor podman is installed") as fault:
        load(sample(), NAME, into=None, progress=Silent())
    assert "bivy run" in (fault.value.hint or "")
    program(place, "docker", "exit 0")
    with pytest.raises(UsageError, match="podman is not installed") as fault:
        load(sample(), NAME, into="podman", progress=Silent())
    assert "--into docker" in (fault.value.hint or "")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("python:3.14-alpine", "python:3.14-alpine"),
        ("python", "python:latest"),
        ("ghcr.io/me/app", "ghcr.io/me/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1"),
        ("docker://python:3", "docker.io/library/python:3"),
        ("ghcr.io/me/app@sha256:" + "0" * 64, ""),
        ("oci:dist:app:2", "app:2"),
        ("oci-archive:a.tar", ""),
    ],
)
def test_it_is_called_what_the_person_called_it(reference: str, name: str) -> None:
    assert loaded_name(reference, Path("dist")) == name


@pytest.mark.clients
def test_podman_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    if os.geteuid() != 0:
        pytest.skip("podman needs subordinate user ids, which only an administrator can give")
    (tmp_path / "storage.conf").write_text(
        f'[storage]\ndriver="vfs"\ngraphroot="{tmp_path}/root"\nrunroot="{tmp_path}/run"\n'
    )
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(tmp_path / "storage.conf"))
    loaded = load(sample(), NAME, into="podman", progress=Silent())
    done = subprocess.run(["podman", "inspect", NAME], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert f"sha256:{found['Id']}" == loaded.image_id
    assert found["Config"]["Env"] == list(sample().config.env)
    assert found["RootFS"]["Layers"] == [layer.diff_id for layer in sample().layers]
