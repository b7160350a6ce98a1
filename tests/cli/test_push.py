"""``bivy push``, ``bivy load`` and images in registries, as a person meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bivy.oci.archive import write_archive
from bivy.oci.layout import read_image, write_image
from tests.oci.images import sample
from tests.oci.registry.real import HTPASSWD, Registry, docker_config, real_registry

pytestmark = pytest.mark.registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with real_registry(tmp_path / "registry") as found:
        yield found


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    for image in (sample(), sample("arm64", variant="v8")):
        write_image(image, tmp_path / "dist", ["app:1"])
    write_image(sample(), tmp_path / "dist", ["one:1"])
    return tmp_path / "dist"


def bivy(tmp_path: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environ |= {"BIVY_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "none")}
    return subprocess.run(
        [sys.executable, "-m", "bivy", *words], capture_output=True, text=True, env=environ | variables, timeout=60
    )


def test_an_image_is_pushed_and_read_again(registry: Registry, dist: Path, tmp_path: Path) -> None:
    name = str(registry.name())
    done = bivy(tmp_path, "push", "one:1", name, "-o", str(dist))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{name.removesuffix(':1')}@{sample().digest}"
    assert "3 of 3 blobs sent" in done.stderr
    found = json.loads(bivy(tmp_path, "inspect", name, "--json").stdout)
    assert found["digest"] == sample().digest
    assert bivy(tmp_path, "inspect", "-q", done.stdout.strip()).stdout.strip() == sample().digest


def test_all_platforms_are_pushed_or_the_one_that_is_named(registry: Registry, dist: Path, tmp_path: Path) -> None:
    done = bivy(tmp_path, "push", "app:1", str(registry.name()), "-o", str(dist), "--json", "-q")
    found = json.loads(done.stdout)
    assert done.stderr == ""
    assert found["platforms"] == ["linux/amd64", "linux/arm64/v8"]
    assert found["name"] == str(registry.name())
    again = json.loads(bivy(tmp_path, "push", "app:1", str(registry.name()), "-o", str(dist), "--json").stdout)
    assert set(again["blobs"].values()) == {"there"}
    assert again["sent"] == 0
    words = ("push", "app:1", str(registry.name(tag="arm")), "-o", str(dist), "--platform", "aarch64", "--json")
    one = json.loads(bivy(tmp_path, *words).stdout)
    assert one["digest"] == sample("arm64", variant="v8").digest


def test_an_archive_is_pushed(registry: Registry, dist: Path, tmp_path: Path) -> None:
    write_archive(read_image(dist, "one:1"), tmp_path / "image.tar", "app:1", "oci-archive")
    done = bivy(tmp_path, "push", f"oci-archive:{tmp_path}/image.tar", str(registry.name()))
    assert done.stdout.strip().endswith(sample().digest)


def test_who_may_not_is_told_what_to_do_without_a_traceback(dist: Path, tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}}
    with real_registry(tmp_path / "guarded", auth=auth) as guarded:
        name = str(guarded.name())
        done = bivy(tmp_path, "push", "one:1", name, "-o", str(dist))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"docker login {guarded.name().host}" in done.stderr
        assert "Traceback" not in done.stderr
        folder = docker_config(tmp_path / "docker", guarded.name().host)
        done = bivy(tmp_path, "push", "one:1", name, "-o", str(dist), DOCKER_CONFIG=str(folder))
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("push", "one:1", "ghcr.io/Me/app"), "'Me/app' is not a name"),
        (("push", "two:1", "ghcr.io/me/app"), "has no image 'two:1'"),
        (("push", "one:1"), "Missing argument 'DESTINATION'"),
        (("load", "two:1"), "has no image 'two:1'"),
        (("load", "one:1", "--into", "rkt"), "'rkt' is not one of"),
        (("inspect", "ghcr.io/me/app:-"), "'-' is not a tag"),
    ],
)
def test_a_wrong_question_is_answered_without_asking_any_registry(
    dist: Path, tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    done = bivy(tmp_path, *words, "-o", str(dist))
    assert done.returncode == 2, done.stderr
    assert why in done.stderr


def test_a_registry_that_is_not_there_is_told(dist: Path, tmp_path: Path, registry: Registry) -> None:
    registry.kill()
    done = bivy(tmp_path, "inspect", str(registry.name()), "-o", str(dist))
    assert done.returncode == 1
    assert "was not reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_it_while_a_registry_does_not_answer(dist: Path, tmp_path: Path, registry: Registry) -> None:
    assert registry.process
    registry.process.send_signal(signal.SIGSTOP)
    words = [sys.executable, "-m", "bivy", "push", "one:1", str(registry.name()), "-o", str(dist)]
    environ = {**os.environ, "BIVY_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environ)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert said.endswith("bivy: stopped\n")


def test_where_neither_docker_nor_podman_is_there_load_says_so(dist: Path, tmp_path: Path) -> None:
    done = bivy(tmp_path, "load", "one:1", "--platform", "amd64", "-o", str(dist), PATH="/nowhere")
    assert done.returncode == 2
    assert "neither docker nor podman is installed" in done.stderr


def test_an_image_is_loaded_under_its_name(dist: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "docker"
    program.write_text("#!/bin/sh\nexec /bin/cat > /dev/null\n")
    program.chmod(0o755)
    words = ("load", "one:1", "--platform", "amd64", "-o", str(dist), "--into", "docker")
    assert bivy(tmp_path, *words, PATH=str(tmp_path / "bin")).stdout == "one:1\n"
    found = json.loads(bivy(tmp_path, *words, "--name", "other:2", "--json", PATH=str(tmp_path / "bin")).stdout)
    assert found["name"] == "other:2"
    assert found["digest"] == sample().digest
