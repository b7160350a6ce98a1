"""Other people's programs take the whole image for what it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import NAME, bivy
from tests.oci.registry.real import real_registry

pytestmark = [pytest.mark.clients, pytest.mark.image]


def run(program: str, *words: str | Path, **variables: str) -> str:
    found = shutil.which(program, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([found, *words], capture_output=True, text=True, timeout=300, env={**os.environ, **variables})
    assert done.returncode == 0, f"{program} {words}: {done.stdout}{done.stderr}"
    return done.stdout


def test_skopeo_inspects_and_copies_it(dist: Path, tmp_path: Path) -> None:
    found = json.loads(run("skopeo", "inspect", f"oci:{dist}:{NAME}"))
    listed = json.loads(bivy("images", "--output", str(dist), "--json").stdout)
    assert found["Digest"] in {image["digest"] for image in listed}
    assert any(variable.startswith("PYTHON_VERSION=3.14") for variable in found["Env"])
    run("skopeo", "copy", f"oci:{dist}:{NAME}", f"docker-archive:{tmp_path}/image.tar:{NAME}")
    again = json.loads(bivy("inspect", f"docker-archive:{tmp_path}/image.tar", "--json").stdout)
    assert {package["name"] for package in again["packages"]} >= {"python", "musl"}


@pytest.mark.registry
def test_it_runs_from_a_registry_that_it_was_pushed_to(dist: Path, tmp_path: Path) -> None:
    with real_registry(tmp_path / "registry") as registry:
        name = str(registry.name("python", "3.14-alpine"))
        pushed = json.loads(bivy("push", NAME, name, "--output", str(dist), "--json").stdout)
        listed = json.loads(bivy("images", "--output", str(dist), "--json").stdout)
        assert pushed["digest"] in {image["digest"] for image in listed}
        assert bivy("run", name, "python3", "-c", "print(6 * 7)").stdout == "42\n"
        run("skopeo", "copy", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/copy:{NAME}")
        copied = json.loads(bivy("images", "--output", f"{tmp_path}/copy", "--json").stdout)
        assert [image["digest"] for image in copied] == [pushed["digest"]]


def test_umoci_unpacks_it(dist: Path, tmp_path: Path) -> None:
    run("umoci", "unpack", "--rootless", "--image", f"{dist}:{NAME}", tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    assert (root / "usr/local/bin/python3.14").is_file()
    assert (root / "bin/sh").readlink() == Path("/bin/busybox")


def test_buildah_builds_a_dockerfile_on_top_of_it(dist: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("buildah needs subordinate user ids, which only an administrator can give")
    (tmp_path / "app.py").write_text("print('from the image')\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM oci:{dist}:{NAME}\nCOPY app.py /app.py\nRUN python3 /app.py > /said && pip --version >> /said\n"
    )
    storage = ("--root", f"{tmp_path}/storage", "--runroot", f"{tmp_path}/run", "--storage-driver", "vfs")
    built = tmp_path / "built.tar"
    run("buildah", *storage, "bud", "--isolation", "chroot", "--tag", f"oci-archive:{built}:app", tmp_path)
    said = bivy("run", f"oci-archive:{built}:app", "cat", "/said").stdout
    assert said.startswith("from the image\npip ")
