"""``bivy sbom`` as a person meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bivy.oci.layout import write_image
from tests.sbom.making import entry, image_with


def bivy(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "bivy", "sbom", *words], capture_output=True, text=True)


def test_what_cannot_be_read_is_said_beside_the_list(tmp_path: Path) -> None:
    write_image(image_with([entry("odd", "1-r0")]), tmp_path / "dist", ["it:1"])
    done = bivy("it:1", "--output", str(tmp_path / "dist"))
    assert done.returncode == 0
    assert [each["name"] for each in json.loads(done.stdout)["components"]] == ["odd"]
    assert done.stderr == "it:1: it has no Python distributions\n"


def test_spdx_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    write_image(image_with([entry("odd", "1-r0")]), tmp_path / "dist", ["it:1"])
    done = bivy("it:1", "--output", str(tmp_path / "dist"), "--format", "spdx", "-o", str(tmp_path / "list.json"))
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((tmp_path / "list.json").read_bytes())["spdxVersion"] == "SPDX-2.3"


def test_an_unknown_image_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    write_image(image_with(), tmp_path / "dist", ["it:1"])
    done = bivy("is:1", "--output", str(tmp_path / "dist"))
    assert done.returncode == 2
    assert "it:1" in done.stderr


def test_a_layout_that_lacks_a_blob_is_said_with_the_blob_and_nothing_is_written(tmp_path: Path) -> None:
    image = image_with([entry("odd", "1-r0")])
    write_image(image, tmp_path / "dist", ["it:1"])
    digest = image.layers[0].blob.digest
    (tmp_path / "dist" / "blobs" / "sha256" / digest.removeprefix("sha256:")).unlink()
    done = bivy("it:1", "--output", str(tmp_path / "dist"), "-o", str(tmp_path / "list.json"))
    assert done.returncode == 1
    assert digest in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "list.json").exists()
