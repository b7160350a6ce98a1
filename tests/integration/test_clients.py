"""Other people's programs read the images that bivy writes, and bivy those that they write."""

from __future__ import annotations

import json
import platform
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bivy.apk.entry import Entry, Kind
from bivy.oci.archive import read_archive, write_archive
from bivy.oci.image import Image, make_image
from bivy.oci.inspect import inspect
from bivy.oci.layer import apply_changes, layer_from_tree, read_layer, read_tar
from bivy.oci.layout import read_image, write_image
from bivy.rootfs.tree import Tree
from tests.oci.images import sample
from tests.rootfs.trees import contents, file

pytestmark = pytest.mark.clients
NAME = "python:3.14-alpine"

# Stands for /bin/sh: a program of no library, so that it is compiled at once, which writes what it is told to /ran.
SHELL = """
static long call(long number, long one, long two, long three) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(one), "S"(two), "d"(three) : "rcx", "r11", "memory");
    return result;
}
__attribute__((used)) void begin(long *stack) {
    char **words = (char **)(stack + 1);
    long size = 0, descriptor = call(2, (long)"/ran", 01 | 0100 | 01000, 0644);
    while (words[2][size]) size++;
    call(60, call(1, descriptor, (long)words[2], size) != size, 0, 0);
}
__asm__(".globl _start\\n_start: mov %rsp, %rdi\\n and $-16, %rsp\\n call begin\\n");
"""


def run(program: str, *words: str | Path) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{program} {words}: {done.stdout}{done.stderr}"
    return done.stdout


def tree_of(image: Image) -> Tree:
    tree = Tree.of([])
    for layer in image.layers:
        tree = apply_changes(tree, read_tar(read_layer(layer), layer.digest))
    return tree


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout with an image for two platforms and one whose layers are zstd."""
    folder = tmp_path / "dist"
    for image in (sample(), sample("arm64", variant="v8")):
        write_image(image, folder, [NAME])
    write_image(sample(), folder, ["plain"])
    write_image(sample(compression="zstd"), folder, ["zstd"])
    return folder


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_skopeo_inspects_each_platform_of_a_name(layout: Path, architecture: str) -> None:
    told = json.loads(run("skopeo", "inspect", f"--override-arch={architecture}", f"oci:{layout}:{NAME}"))
    image = read_image(layout, NAME, f"linux/{architecture}")
    assert told["Architecture"] == architecture
    assert told["Layers"] == [layer.digest for layer in image.layers]
    assert told["Env"] == list(image.config.env)
    assert told["Labels"] == dict(image.config.labels)


@pytest.mark.parametrize("name", ["plain", "zstd"])
def test_skopeo_copies_every_byte(layout: Path, tmp_path: Path, name: str) -> None:
    image = read_image(layout, name)
    run("skopeo", "copy", f"oci:{layout}:{name}", f"dir:{tmp_path}/copy")
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == image.manifest.read()
    for blob in image.blobs[:-1]:
        assert (tmp_path / "copy" / blob.digest.removeprefix("sha256:")).read_bytes() == blob.read()


def test_skopeo_reads_both_kinds_of_archive(tmp_path: Path) -> None:
    for form in ("oci-archive", "docker-archive"):
        write_archive(sample(), tmp_path / form, NAME, form)
        run("skopeo", "copy", f"{form}:{tmp_path / form}:{NAME}", f"oci:{tmp_path}/copy:{form}")
        copied = read_image(tmp_path / "copy", form)
        assert copied.config.diff_ids == sample().config.diff_ids
        assert copied.config.cmd == sample().config.cmd


def test_what_skopeo_makes_of_an_image_is_read(layout: Path, tmp_path: Path) -> None:
    run("skopeo", "copy", f"oci:{layout}:plain", f"docker-archive:{tmp_path}/image.tar:{NAME}")
    run("skopeo", "copy", f"oci:{layout}:plain", f"oci-archive:{tmp_path}/image-oci.tar:{NAME}")
    run("skopeo", "copy", "--all", f"oci:{layout}:{NAME}", f"oci:{tmp_path}/copy:{NAME}")
    for path in (tmp_path / "image.tar", tmp_path / "image-oci.tar"):
        assert tree_of(read_archive(path, NAME, "", tmp_path)) == tree_of(sample())
    for image in (sample(), sample("arm64", variant="v8")):
        assert read_image(tmp_path / "copy", NAME, image.config.platform).digest == image.digest


def test_umoci_unpacks_the_same_tree(layout: Path, tmp_path: Path) -> None:
    run("umoci", "unpack", "--rootless", "--image", f"{layout}:plain", tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    tree = tree_of(read_image(layout, "plain"))
    assert {str(path.relative_to(root)) for path in root.rglob("*")} == set(tree.entries)
    for entry in tree.entries.values():
        _assert_is_on_disk(entry, root, tree)
    process = json.loads((tmp_path / "bundle" / "config.json").read_bytes())["process"]
    assert process["args"] == ["/bin/sh", "-c", "python3"]
    assert process["cwd"] == "/srv"


def _assert_is_on_disk(entry: Entry, root: Path, tree: Tree) -> None:
    path = root / entry.path
    status = path.lstat()
    if entry.kind is Kind.SYMLINK:
        assert str(path.readlink()) == entry.target
        return
    assert stat.S_IMODE(status.st_mode) == entry.mode
    if entry.kind is Kind.DIRECTORY:
        assert path.is_dir()
        return
    assert path.read_bytes() == tree.read(entry.path)
    assert int(status.st_mtime) == entry.mtime
    if entry.kind is Kind.HARDLINK:
        assert status.st_ino == (root / entry.target).stat().st_ino


def test_umoci_takes_its_own_image_out_of_the_layout_and_leaves_ours(layout: Path) -> None:
    run("umoci", "tag", "--image", f"{layout}:plain", "theirs")
    assert read_image(layout, "theirs").digest == sample().digest
    run("umoci", "rm", "--image", f"{layout}:theirs")
    run("umoci", "gc", "--layout", layout)
    for image in (sample(), sample("arm64", variant="v8")):
        assert [blob.read() for blob in read_image(layout, NAME, image.config.platform).blobs]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program that stands for /bin/sh is for x86_64")
def test_buildah_builds_on_top_and_bivy_reads_what_came_of_it(tmp_path: Path) -> None:
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-nostdlib", "-static", "-Os"]
    (tmp_path / "shell.c").write_text(SHELL)
    subprocess.run([*compiler, "-fno-builtin", "-o", tmp_path / "shell", tmp_path / "shell.c"], check=True)
    shell = layer_from_tree(Tree.of([file("bin/busybox", (tmp_path / "shell").read_bytes(), 0o755)]))
    plain = replace(sample().config, user="", entrypoint=(), volumes=())
    image = make_image(plain, [*sample().layers, shell])
    write_image(image, tmp_path / "dist", [NAME])
    (tmp_path / "app.py").write_text("print('hello')\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM oci:{tmp_path}/dist:{NAME}\nENV GREETING=hello\nLABEL app=yes\nCOPY app.py /app/\n"
        'RUN told by buildah\nCMD ["python3", "/app/app.py"]\n'
    )
    storage: list[str | Path] = [
        "--root",
        tmp_path / "root",
        "--runroot",
        tmp_path / "runroot",
        "--storage-driver",
        "vfs",
    ]
    built = tmp_path / "built.tar"
    run("buildah", *storage, "bud", "--isolation", "chroot", "--tag", f"oci-archive:{built}:app", tmp_path)
    derived = read_archive(built, "", "", tmp_path)
    report = inspect(derived)
    assert report.tree.read("ran") == b"told by buildah"
    assert report.tree.read("app/app.py") == b"print('hello')\n"
    assert derived.config.env == (*plain.env, "GREETING=hello")
    assert derived.config.labels["app"] == "yes"
    assert derived.config.cmd == ("python3", "/app/app.py")
    below = contents(tree_of(image))
    assert {path: seen for path, seen in contents(report.tree).items() if path in below} == below
    assert report.tree.entries["tmp"].mode == 0o1777
