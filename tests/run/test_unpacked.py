"""The files of an image, unpacked once."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from bivy.errors import BivyError
from bivy.run.unpacked import throwaway, unpacked

DIGEST = "sha256:abc"


def test_the_files_are_written_once_even_by_two_at_once(tmp_path: Path) -> None:
    written: list[Path] = []

    def write(root: Path) -> None:
        written.append(root)
        (root / "file").touch()

    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(unpacked(DIGEST, write, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written) == 1
    assert {(folder / "file").exists() for folder in found} == {True}


def test_another_image_has_another_folder(tmp_path: Path) -> None:
    assert unpacked(DIGEST, lambda _: None, tmp_path) != unpacked("sha256:def", lambda _: None, tmp_path)


def test_nobody_else_can_reach_the_files(tmp_path: Path) -> None:
    root = unpacked(DIGEST, lambda _: None, tmp_path)
    assert root.parent.stat().st_mode & 0o077 == 0
    assert root.stat().st_mode & 0o777 == 0o755


def test_what_could_not_be_written_whole_is_not_there(tmp_path: Path) -> None:
    def full(root: Path) -> None:
        (root / "half").touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BivyError, match=r"cannot unpack the image into .*: No space left on device"):
        unpacked(DIGEST, full, tmp_path)
    assert list((tmp_path / "roots").iterdir()) == []
    assert unpacked(DIGEST, lambda root: (root / "file").touch(), tmp_path).joinpath("file").exists()


def test_what_a_killed_process_left_is_swept_up(tmp_path: Path) -> None:
    left = tmp_path / "roots/.sha256-abc-left"
    left.mkdir(parents=True)
    unpacked(DIGEST, lambda _: None, tmp_path)
    assert not left.exists()


def test_a_throwaway_folder_is_gone_afterwards(tmp_path: Path) -> None:
    with throwaway(lambda root: (root / "file").touch(), tmp_path) as root:
        assert (root / "file").exists()
    assert list((tmp_path / "roots").iterdir()) == []
