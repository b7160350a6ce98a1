"""``bivy verify`` as a person meets it: what it says, writes and ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bivy.arch import ARCHES, build_machine
from bivy.oci.archive import write_archive
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import layer_from_tree
from bivy.oci.layout import write_image
from bivy.rootfs.tree import Tree
from bivy.run.foreign import check_architecture
from bivy.verify.record import last
from tests.rootfs.trees import file, folder

OWN = build_machine()


@pytest.fixture
def image() -> Image:
    """An image of a few files, for this machine, with nothing in it that could run."""
    tree = Tree.of([
        folder("tmp", 0o1777), file("etc/passwd", b"root:*:0:0:root:/root:/bin/sh\n"),
        file("etc/group", b"root:x:0:\n"),
    ])  # fmt: skip
    return make_image(ImageConfig(OWN.oci, OWN.variant, cmd=("sh",), env=("PATH=/bin",)), [layer_from_tree(tree)])


@pytest.fixture
def layout(image: Image, tmp_path: Path) -> Path:
    write_image(image, tmp_path / "dist", ["small:1"])
    return tmp_path / "dist"


def verify(*words: str, layout: Path, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bivy", "verify", *words, "--output", str(layout)],
        capture_output=True, text=True, env={**os.environ, "BIVY_CACHE": str(cache or layout.parent / "cache")},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


READ = ("world-writable", "no-setuid", "owners", "passwords", "links", "no-leftovers")
ONLY = tuple(word for name in READ for word in ("--only", name))


def test_an_image_that_passes_is_told_so_check_by_check(layout: Path) -> None:
    done = verify("small:1", *ONLY, layout=layout)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[-1] == "All 6 checks passed."
    assert {line.split()[1] for line in lines if line.startswith("✓")} == set(READ)


def test_an_image_that_fails_is_told_with_findings_why_and_what_to_do(layout: Path, image: Image) -> None:
    bad = Tree.of([file(f"etc/x{number}", b"", 0o666) for number in range(8)])
    write_image(make_image(image.config, [*image.layers, layer_from_tree(bad)]), layout, ["bad:1"])
    done = verify("bad:1", *ONLY, layout=layout)
    assert done.returncode == 1
    assert "✗ world-writable" in done.stdout
    assert "/etc/x0 has the mode 0666" in done.stdout
    assert "and 3 more (-v shows all)" in done.stdout
    assert "what to do: chmod o-w FILE" in done.stdout
    assert done.stdout.endswith("1 of 6 checks failed.\n")
    assert "/etc/x7" not in done.stdout
    assert "/etc/x7" in verify("bad:1", *ONLY, "-v", layout=layout).stdout
    quiet = verify("bad:1", *ONLY, "-q", layout=layout)
    assert "✓" not in quiet.stdout
    assert quiet.stderr == ""


def test_what_is_left_out_is_in_the_report_with_its_reason(layout: Path) -> None:
    done = verify("small:1", *ONLY, "--without", "links=we have none = yet", "--json", layout=layout)
    told = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (told["links"]["status"], told["links"]["reason"]) == ("left_out", "we have none = yet")


@pytest.mark.parametrize("without", ["links", "links=", "links= "])
def test_nothing_is_left_out_without_a_reason(without: str, layout: Path) -> None:
    done = verify("small:1", "--without", without, layout=layout)
    assert done.returncode == 2
    assert "links cannot be left out without a reason" in done.stderr


def test_a_check_that_there_is_not_is_refused_with_the_nearest(layout: Path) -> None:
    done = verify("small:1", "--only", "linkz", layout=layout)
    assert done.returncode == 2
    assert "is `links` meant?" in done.stderr


def test_a_persons_own_checks_are_made_too(layout: Path, tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks/ours.toml").write_text(
        'group = "ours"\n[[checks]]\nname = "no-motd"\ntitle = "No motd"\nwhy = "W."\nsource = "S"\nremedy = "R."\n'
        'reading = "absent"\n[checks.settings]\nfiles = [{ path = "etc/group", what = "just for the test" }]\n'
    )
    done = verify("small:1", "--checks", str(tmp_path / "checks"), "--only", "ours", layout=layout)
    assert done.returncode == 1
    assert "/etc/group: just for the test" in done.stdout


def test_a_wrong_file_of_checks_is_told_with_its_line(layout: Path, tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks/ours.toml").write_text('group = "ours"\n[[checks]]\nname = "x"\ntitel = "x"\n')
    done = verify("small:1", "--checks", str(tmp_path / "checks"), layout=layout)
    assert done.returncode == 2
    assert f"{tmp_path}/checks/ours.toml:4: unknown key `checks[0].titel`; is `title` meant?" in done.stderr


def test_checks_are_listed_without_an_image(layout: Path) -> None:
    done = verify("--list", layout=layout)
    assert "world-writable" in done.stdout
    listed = json.loads(verify("--list", "--json", "--only", "variant", layout=layout).stdout)
    assert [check["name"] for check in listed] == ["no-tools", "no-headers", "budget", "awake"]


def test_without_an_image_there_is_nothing_to_check(layout: Path) -> None:
    done = verify(layout=layout)
    assert done.returncode == 2
    assert "REF" in done.stderr


def test_junit_is_written_with_the_images_digest(layout: Path, image: Image, tmp_path: Path) -> None:
    verify("small:1", *ONLY, "--junit", str(tmp_path / "report.xml"), layout=layout)
    root = ET.parse(tmp_path / "report.xml").getroot()
    assert {one.get("value") for one in root.iter("property") if one.get("name") == "image.digest"} == {image.digest}
    assert len(list(root.iter("testcase"))) == len(READ)


def test_the_last_whole_report_is_kept(layout: Path, image: Image, tmp_path: Path) -> None:
    verify("small:1", *ONLY, layout=layout)
    assert last(image.digest, tmp_path / "cache") is None
    verify("small:1", layout=layout)
    kept = last(image.digest, tmp_path / "cache")
    assert kept
    assert kept.image == "small:1"


def test_a_layout_that_lacks_a_blob_is_told_with_its_name(layout: Path, image: Image) -> None:
    digest = image.layers[0].digest
    (layout / "blobs/sha256" / digest.removeprefix("sha256:")).unlink()
    done = verify("small:1", layout=layout)
    assert done.returncode == 1
    assert f"blob {digest}" in done.stderr
    assert "is missing" in done.stderr


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_an_archive_of_anybodys_is_checked(form: str, layout: Path, image: Image, tmp_path: Path) -> None:
    write_archive(image, tmp_path / "x.tar", "small:1", form)
    done = verify(f"{form}:{tmp_path / 'x.tar'}", *ONLY, layout=layout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_image_that_cannot_run_here_is_checked_as_far_as_reading_goes(layout: Path, image: Image) -> None:
    from bivy.errors import BivyError

    foreign = None
    for arch in ARCHES.values():
        try:
            check_architecture(arch.platform)
        except BivyError:
            foreign = arch
    if foreign is None:
        pytest.skip("every architecture has an emulator here")
    config = ImageConfig(foreign.oci, foreign.variant, cmd=("sh",), env=("PATH=/bin",))
    write_image(make_image(config, list(image.layers)), layout, ["foreign:1"])
    told = json.loads(verify("foreign:1", *ONLY, "--only", "utc", "--json", layout=layout).stdout)
    status = {check["name"]: check["status"] for check in told["checks"]}
    assert status.pop("utc") == "skipped"
    assert set(status.values()) == {"passed"}
    reason = next(check["reason"] for check in told["checks"] if check["name"] == "utc")
    assert f"the image is for {foreign.platform}, which does not run on this machine" in reason


def test_an_image_without_python_fails_what_it_promises_and_skips_what_only_python_can_say(layout: Path) -> None:
    told = json.loads(verify("small:1", "--only", "official", "--json", layout=layout).stdout)
    status = {check["name"]: check["status"] for check in told["checks"]}
    assert (status["python-version"], status["sqlite"]) == ("failed", "skipped")
    assert (status["default-command"], status["utc"], status["passwords"]) == ("failed", "failed", "passed")
