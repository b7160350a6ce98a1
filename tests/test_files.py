"""Files are whole or not there; scratch folders go away, whatever ends the process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bivy.files import cache_folder, copy_folder, locked, read_noted, replacing, scratch_folder, sweep, write_whole


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_whole(path, b"first")
    with contextlib.suppress(RuntimeError), replacing(path) as file:
        file.write(b"half of the sec")
        raise RuntimeError
    assert path.read_bytes() == b"first"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_scratch_folder_is_gone_afterwards_with_what_cannot_be_written(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "x-") as folder:
        (folder / "closed").mkdir()
        (folder / "closed" / "file").write_text("")
        (folder / "closed").chmod(0o500)
    assert list(tmp_path.iterdir()) == []


def test_sweeping_removes_what_a_killed_process_left_and_nothing_else(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\nfrom bivy.files import scratch_folder\n"
        "with scratch_folder(pathlib.Path(sys.argv[1]), 'left-') as folder:\n"
        "    (folder / 'file').write_text('')\n    print(folder, flush=True)\n    time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    sweep(tmp_path)
    assert left.is_dir()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with scratch_folder(tmp_path, "mine-") as mine:
        sweep(tmp_path)
        assert mine.is_dir()
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_waited_for_until_one_gives_up(tmp_path: Path) -> None:
    tries = iter([False, False, True])
    with locked(tmp_path / "lock"), locked(tmp_path / "lock", giving_up=lambda: next(tries)):
        pass
    assert next(tries, None) is None


def test_the_cache_is_where_the_person_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BIVY_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "bivy"
    monkeypatch.setenv("BIVY_CACHE", str(tmp_path / "told"))
    assert cache_folder() == tmp_path / "told"


def test_a_full_disk_is_said_to_be_that_of_the_file(tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"

    def write() -> None:
        with replacing(wanted) as file, Path("/dev/full").open("wb", buffering=0) as full:
            file.write(b"some")
            full.write(b"more")

    with pytest.raises(OSError, match="No space left") as fault:
        write()
    assert fault.value.filename == str(wanted)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_copied_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "from" / "deep").mkdir(parents=True)
    (tmp_path / "from" / "deep" / "program").write_text("#!/bin/sh")
    (tmp_path / "from" / "deep" / "program").chmod(0o755)
    (tmp_path / "from" / "link").symlink_to("deep")
    os.utime(tmp_path / "from" / "deep" / "program", (1, 1))
    copy_folder(tmp_path / "from", tmp_path / "to")
    copied = (tmp_path / "to" / "deep" / "program").stat()
    assert (copied.st_mode & 0o777, copied.st_mtime) == (0o755, 1)
    assert (tmp_path / "to" / "link").readlink() == Path("deep")


def test_a_copy_that_fails_says_of_one_file_that_it_did(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "gone").symlink_to("nowhere")
    (tmp_path / "to").mkdir()
    with pytest.raises(FileExistsError) as fault:
        copy_folder(tmp_path / "from", tmp_path / "to")
    assert fault.value.filename == str(tmp_path / "to")


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    write_whole(tmp_path / "noted", b'{"size": 3}')
    assert read_noted(tmp_path / "noted", dict[str, int]) == {"size": 3}


@pytest.mark.parametrize("content", [None, b"", b'{"size": ', b'{"size": "three"}', b'{"\xff": 3}', b"[" * 100_000])
def test_what_was_noted_and_cannot_be_read_is_not_known(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "noted").write_bytes(content)
    assert read_noted(tmp_path / "noted", dict[str, int]) is None
