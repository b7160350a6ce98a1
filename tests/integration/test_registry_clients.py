"""Other people's programs read what bivy pushed, and bivy what they pushed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bivy.oci.graph import make_artifact, node_of_image
from bivy.oci.image import Image
from bivy.oci.layer import read_layer
from bivy.oci.layout import read_image, read_node, write_image
from bivy.oci.registry.pull import pull_image
from bivy.oci.registry.push import push
from bivy.oci.registry.session import Session
from bivy.progress import Silent
from tests.oci.images import sample
from tests.oci.registry.real import HTPASSWD, PASSWORD, Registry, real_registry

pytestmark = [pytest.mark.clients, pytest.mark.registry]
ARM = sample("arm64", variant="v8")


def run(program: str, *words: str | Path) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{program} {words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with real_registry(tmp_path / "registry") as found:
        yield found


def contents(image: Image) -> list[bytes]:
    return [read_layer(layer) for layer in image.layers]


def test_skopeo_copies_what_was_pushed(registry: Registry, tmp_path: Path) -> None:
    for image in (sample(), ARM):
        write_image(image, tmp_path / "dist", ["app:1"])
    node = read_node(tmp_path / "dist", "app:1")
    push(node, registry.name(), cache=tmp_path, progress=Silent())
    told = json.loads(run("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{registry.name()}"))
    assert {entry["digest"] for entry in told["manifests"]} == {sample().digest, ARM.digest}
    words = ("copy", "--all", "--src-tls-verify=false", f"docker://{registry.name()}", f"oci:{tmp_path}/copy:app:1")
    run("skopeo", *words)
    for image in (sample(), ARM):
        copied = read_image(tmp_path / "copy", "app:1", image.config.platform)
        assert copied.digest == image.digest
        assert contents(copied) == contents(image)


def test_skopeo_sees_the_list_of_artifacts(registry: Registry, tmp_path: Path) -> None:
    artifact = make_artifact(sample(), "application/vnd.cyclonedx+json", b"{}")
    push(node_of_image(sample(), [artifact]), registry.name(), cache=tmp_path, progress=Silent())
    tag = sample().digest.replace(":", "-")
    told = json.loads(run("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{registry.name(tag=tag)}"))
    assert [entry["digest"] for entry in told["manifests"]] == [artifact.digest]


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_what_skopeo_pushed_is_pulled(registry: Registry, tmp_path: Path, form: str) -> None:
    write_image(sample(), tmp_path / "dist", ["app:1"])
    words = ("copy", "--format", form, "--dest-tls-verify=false", f"oci:{tmp_path}/dist:app:1")
    run("skopeo", *words, f"docker://{registry.name()}")
    with Session(registry.name()) as session:
        image = pull_image(session, "linux/amd64", cache=tmp_path / "cache", progress=Silent())
        assert contents(image) == contents(sample())
        assert image.config.cmd == sample().config.cmd


def test_what_skopeo_logged_in_with_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    auth = {"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}}
    with real_registry(tmp_path / "guarded", auth=auth) as guarded:
        run("skopeo", "login", "--tls-verify=false", "--username", "me", "--password", PASSWORD, guarded.name().host)
        pushed = push(node_of_image(sample()), guarded.name(), cache=tmp_path, progress=Silent())
        assert pushed.digest == sample().digest
