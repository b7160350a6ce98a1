"""The files of an image, unpacked once."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any

import pytest

from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError
from bivy.oci.image import Image, add_layer
from bivy.oci.layer import layer_from_tree
from bivy.rootfs.tree import Tree
from bivy.run import unpacked as module
from bivy.run.layers import write_layers
from bivy.run.unpacked import forget, in_use, throwaway, unpacked, without_last_layer
from tests.run.conftest import image_of, saying


@pytest.fixture
def image() -> Image:
    return image_of(b"program")


def test_the_files_are_written_once_even_by_two_at_once(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []

    def counted(*how: Any) -> None:
        times.append(how)
        write_layers(*how)

    monkeypatch.setattr(module, "write_layers", counted)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(unpacked(image, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 1
    assert [(folder / "bin/probe").read_bytes() for folder in found] == [b"program"] * 4


def test_images_of_the_same_layers_share_their_files(image: Image, tmp_path: Path) -> None:
    more = layer_from_tree(Tree.of([Entry("more", Kind.FILE, 0o600, content=b"more")]))
    assert unpacked(image, tmp_path) == unpacked(saying(image, user="web"), tmp_path)
    assert unpacked(image, tmp_path) != unpacked(add_layer(image, more), tmp_path)
    assert (unpacked(add_layer(image, more), tmp_path) / "more").read_text() == "more"


def test_nobody_else_can_reach_the_files(image: Image, tmp_path: Path) -> None:
    root = unpacked(image, tmp_path)
    assert root.parent.stat().st_mode & 0o077 == 0
    assert root.stat().st_mode & 0o777 == 0o755


def test_what_could_not_be_written_whole_is_not_there(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "symlink_to", full)
        with pytest.raises(BivyError, match=r"cannot unpack the image into .*: No space left on device"):
            unpacked(image, tmp_path)
    assert list((tmp_path / "roots").iterdir()) == []
    assert (unpacked(image, tmp_path) / "var").is_symlink()


def test_what_a_killed_process_left_is_swept_up(image: Image, tmp_path: Path) -> None:
    root = unpacked(image, tmp_path)
    root.parent.rename(tmp_path / f"roots/.{root.parent.name}-left")
    unpacked(image, tmp_path)
    assert [path.name for path in (tmp_path / "roots").iterdir()] == [root.parent.name]


def test_a_throwaway_folder_is_gone_afterwards(image: Image, tmp_path: Path) -> None:
    with throwaway(image, tmp_path) as root:
        assert (root / "bin/probe").exists()
    assert list((tmp_path / "roots").iterdir()) == []


@pytest.fixture
def layered(image: Image) -> Image:
    """The image with a layer on top that changes, adds, hides and replaces."""
    entries = [
        Entry("etc/motd", Kind.FILE, 0o444, content=b"as it is now"),
        Entry("srv/web/new", Kind.FILE, 0o600, content=b"new"),
        Entry("etc/.wh.group", Kind.FILE, 0o644),
        Entry("var", Kind.DIRECTORY, 0o700),
    ]
    return add_layer(image, layer_from_tree(Tree.of(entries)))


def listing(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            b"" if path.is_dir() and not path.is_symlink() else str(path.readlink()).encode() if path.is_symlink()
            else path.read_bytes(),
        )
        for path in root.rglob("*")
    }  # fmt: skip


def test_an_image_on_top_of_one_that_is_there_is_the_same_as_one_by_itself(
    image: Image, layered: Image, tmp_path: Path
) -> None:
    alone = listing(unpacked(layered, tmp_path / "alone"))
    below = unpacked(image, tmp_path / "both")
    before = listing(below)
    found = unpacked(layered, tmp_path / "both")
    assert listing(found) == alone
    assert listing(below) == before
    assert (found / "bin/probe").samefile(below / "bin/probe")
    assert alone["etc/motd"][1] == b"as it is now"
    assert "etc/group" not in alone


def test_what_is_below_the_last_layer_is_an_image_s_files(image: Image, layered: Image, tmp_path: Path) -> None:
    assert unpacked(without_last_layer(layered), tmp_path) == unpacked(image, tmp_path)


def test_an_image_is_forgotten_unless_it_is_in_use(image: Image, tmp_path: Path) -> None:
    with in_use(image, tmp_path) as root:
        forget(image, tmp_path)
        assert (root / "bin/probe").exists()
    forget(image, tmp_path)
    assert not root.exists()
    forget(image, tmp_path)
    assert unpacked(image, tmp_path) == root


def test_a_file_system_without_second_names_has_every_file_written(
    image: Image, layered: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    below = unpacked(image, tmp_path)
    monkeypatch.setattr("os.link", refused)
    found = unpacked(layered, tmp_path)
    assert (found / "bin/probe").read_bytes() == b"program"
    assert not (found / "bin/probe").samefile(below / "bin/probe")
