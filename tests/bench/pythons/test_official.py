"""The official image's Python is put into an image's files as the official image has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.pythons.official import assemble, make_official

from bivy.arch import ARCHES, build_machine
from bivy.errors import BivyError, UsageError
from bivy.progress import Silent
from bivy.source.places import Mirrors

ARCH = ARCHES["x86_64"]
BASE = {
    "bin/busybox": "busybox",
    "lib/ld-musl-x86_64.so.1": "the image's musl",
    "usr/lib/libz.so.1": "zlib",
    "usr/local/bin/apk": "apk",
    "usr/local/lib/python3.14/os.py": "the image's",
}
BUILT = {
    "lib/ld-musl-x86_64.so.1": "another musl",
    "out/usr/local/bin/python3.14": "python",
    "out/usr/local/bin/pip3": "pip",
    "out/usr/local/lib/python3.14/os.py": "the built one's",
    "out/usr/local/lib/python3.14/__pycache__/os.cpython-314.pyc": "bytecode",
    "out/usr/local/lib/python3.14/test/test_os.py": "a test",
    "out/usr/local/lib/python3.14/unittest/test/test_case.py": "a test",
    "out/usr/local/lib/python3.14/config/libpython3.14.a": "an archive",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    assemble(write(tmp_path / "base", BASE), write(tmp_path / "tools", BUILT), tmp_path / "root", ARCH)
    return tmp_path / "root"


def test_python_and_musl_are_replaced_and_all_else_is_the_images(root: Path, tmp_path: Path) -> None:
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and not path.is_symlink()}
    assert files == {
        "bin/busybox", "lib/ld-musl-x86_64.so.1", "usr/lib/libz.so.1", "usr/local/bin/pip3",
        "usr/local/bin/python3.14", "usr/local/lib/python3.14/os.py",
    }  # fmt: skip
    assert (root / "lib/ld-musl-x86_64.so.1").read_text() == "another musl"
    assert (root / "usr/local/lib/python3.14/os.py").read_text() == "the built one's"
    # The image's own files are shared by all its runs.
    assert (tmp_path / "base/lib/ld-musl-x86_64.so.1").read_text() == "the image's musl"


def test_names_without_the_three_are_links(root: Path) -> None:
    links = {path.name: str(path.readlink()) for path in (root / "usr/local/bin").iterdir() if path.is_symlink()}
    assert links == {
        "idle": "idle3", "pip": "pip3", "pydoc": "pydoc3", "python": "python3", "python-config": "python3-config",
    }  # fmt: skip


@pytest.mark.skipif(build_machine().name not in ("x86_64", "aarch64"), reason="the recipe is for others")
def test_without_the_packages_that_python_is_built_with_it_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match="is not in the cache") as refused:
        make_official(
            tmp_path / "root", "python:3.14-alpine", layout=tmp_path, cache=tmp_path / "cache", mirrors=Mirrors(),
            progress=Silent(),
        )  # fmt: skip
    assert "bivy build" in (refused.value.hint or "")
    assert not (tmp_path / "root").exists()


def test_a_folder_that_is_there_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        make_official(tmp_path, "x", layout=tmp_path, cache=tmp_path, mirrors=Mirrors(), progress=Silent())
