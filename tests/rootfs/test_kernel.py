"""The filter of system calls, as the kernel would evaluate it, and paths that cannot leave a folder."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import pytest

from bivy.rootfs import kernel
from bivy.rootfs.disk import DiskTree, memory_folder
from bivy.rootfs.kernel import CHOWNS, chown_filter, identify, open_inside
from tests.rootfs.trees import file, folder

ALLOW, ACTION = 0x7FFF0000, 0x00050000


def evaluate(program: bytes, number: int, audit: int) -> int:
    """Do what the kernel does with a filter (<linux/filter.h>), as far as ours go."""
    data = struct.pack("=II", number, audit)
    instructions = list(struct.iter_unpack("=HBBI", program))
    place, value = 0, 0
    while True:
        code, yes, no, operand = instructions[place]
        place += 1
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
        elif code == 0x15:
            place += yes if value == operand else no
        else:
            assert code == 0x06
            return int(operand)


@pytest.mark.parametrize("audit", CHOWNS)
def test_the_filter_knows_the_calls_of_every_architecture_and_only_those(audit: int) -> None:
    program = chown_filter(ACTION)
    answers = {number for number in range(600) if evaluate(program, number, audit) == ACTION}
    assert answers == {number for number in CHOWNS[audit] if number < 600}
    assert evaluate(program, 92, 0xC0000099) == ALLOW


def test_the_calls_of_x32_are_answered_too() -> None:
    assert evaluate(chown_filter(ACTION), 92 | 0x40000000, 0xC000003E) == ACTION


def test_where_something_listens_already_the_kernel_answers_by_itself() -> None:
    found: list[int | None] = []
    outcome: list[str] = []

    def run() -> None:
        found.extend((kernel._filter_this_thread(), kernel._filter_this_thread()))
        try:
            os.chown("/proc/self/no-such-file", 1, 1)
            outcome.append("done")
        except OSError as fault:
            outcome.append(fault.strerror or "")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    # The first filter asks, the second answers; of two answers the kernel takes the stricter, which is not to ask.
    thread.join(10)
    assert not thread.is_alive()
    assert found[0] is not None
    assert found[1] is None
    assert outcome == ["done"]
    os.close(found[0])


def test_paths_lead_where_they_would_for_a_process_whose_root_the_folder_is(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("inside")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "up").symlink_to("../../../../../../etc/passwd")
    (tmp_path / "outside").touch()
    (root / "out").symlink_to(tmp_path / "outside")
    descriptor = os.open(root, os.O_PATH)
    inside = identify(root / "etc/passwd")
    for path in ("etc/passwd", "/etc/passwd", "absolute", "/up", "/../../etc/passwd"):
        found = open_inside(descriptor, path)
        assert found is not None
        assert identify(found) == inside
        os.close(found)
    link = open_inside(descriptor, "absolute", follow=False)
    assert link is not None
    assert identify(link) == identify(root / "absolute")
    assert open_inside(descriptor, "out") is None
    assert open_inside(descriptor, "nothing") is None


def test_a_file_is_another_where_its_number_is_used_again(tmp_path: Path) -> None:
    place = tmp_path / "x"
    seen = set()
    for _ in range(20):
        place.touch()
        assert identify(place) == identify(place)
        seen.add(identify(place))
        place.unlink()
    assert len(seen) > 1


def test_a_folder_in_memory_is_this_user_s_alone_and_has_room(tmp_path: Path) -> None:
    found = memory_folder(1000, tmp_path)
    assert found == tmp_path / f"bivy-{os.getuid()}"
    assert memory_folder(1000, tmp_path) == found
    assert memory_folder(1 << 60, tmp_path) is None
    found.chmod(0o777)
    assert memory_folder(1000, tmp_path) is None
    found.rmdir()
    found.symlink_to(tmp_path)
    assert memory_folder(1000, tmp_path) is None
    assert memory_folder(1000, tmp_path / "nowhere") is None


def test_a_tree_that_nobody_changed_has_no_difference(tmp_path: Path) -> None:
    disk = DiskTree(tmp_path, 1_000_000_000)
    disk.write([folder("a", 0o500), file("a/b", b"x", 0o4711), file("a/c", b"", 0)])
    assert disk.difference().entries == ()
    (tmp_path / "a/b").write_bytes(b"y")
    os.utime(tmp_path / "a/b", (1_000_000_000, 1_000_000_000))
    assert {entry.path: entry.content for entry in disk.difference().entries} == {"a": b"", "a/b": b"y"}
