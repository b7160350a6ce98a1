"""``bivy run`` as a person types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bivy.apk.entry import Entry, Kind
from bivy.oci.config import ImageConfig
from bivy.oci.image import make_image
from bivy.oci.layer import layer_from_tree
from bivy.oci.layout import write_image
from bivy.rootfs.tree import Tree
from bivy.sandbox import why_no_sandbox


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout with an image of nothing but a folder; its programs are the machine's, in a volume."""
    image = make_image(
        ImageConfig("amd64", cmd=("sh",)), [layer_from_tree(Tree.of([Entry("etc", Kind.DIRECTORY, 0o755)]))]
    )
    write_image(image, tmp_path / "dist", ["empty:1"])
    return tmp_path / "dist"


def run(layout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    reason = why_no_sandbox()
    if reason is not None:
        pytest.skip(f"no sandbox: {reason}")
    system = [f"--volume={name}:{name}:ro" for name in ("/bin", "/lib", "/lib64", "/usr") if Path(name).exists()]
    command = [sys.executable, "-m", "bivy", "run", "-o", str(layout), *system, *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=layout.parent)


def test_words_after_the_image_are_the_commands_own(layout: Path) -> None:
    done = run(
        layout, "-e", "A=1", "-w", "/made", "empty:1", "sh", "-c", 'echo "$A $PWD $0 $1"; exit 7', "-e", "--user"
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "1 /made -e --user\n", "")


def test_variables_come_from_files_and_then_from_options(layout: Path) -> None:
    (layout.parent / "env").write_text("# two\nA=file\nB=file\n")
    done = run(layout, "--env-file", "env", "-e", "B=option", "empty:1", "sh", "-c", 'echo "$A $B"')
    assert done.stdout == "file option\n"


def test_the_entrypoint_can_be_replaced(layout: Path) -> None:
    assert run(layout, "--entrypoint", "echo", "--network", "none", "empty:1", "word").stdout == "word\n"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("empty:1", "missing"), 127, "the image has no missing"),
        (("empty:2",), 2, "no image 'empty:2'"),
        (("--user", "who", "empty:1"), 2, "the image has no user 'who'"),
        (("--volume", "here", "empty:1"), 2, "is not a volume"),
        (("--env-file", "missing", "empty:1"), 2, "missing: No such file"),
        (("--network", "bridge", "empty:1"), 2, "bridge"),
    ],
)
def test_what_is_wrong_is_one_message(layout: Path, words: tuple[str, ...], status: int, message: str) -> None:
    done = run(layout, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
