"""Paths of a container on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.errors import BivyError, UsageError
from bivy.run.inside import CommandMissing, CommandNotExecutable, Inside, check_program, read_text, with_mount


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    root = tmp_path / "root"
    for name in ("usr/bin", "etc", "run"):
        (root / name).mkdir(parents=True)
    for name, target in (("bin", "usr/bin"), ("var", "/run/../run"), ("up", "../../../etc"), ("loop", "loop")):
        (root / name).symlink_to(target)
    (root / "usr/bin/tool").write_text("tool")
    (root / "usr/bin/tool").chmod(0o755)
    (root / "usr/bin/text").write_text("text")
    (root / "usr/bin/away").symlink_to("/nowhere")
    return Inside(root)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/bin/tool", "/usr/bin/tool"),
        ("/var/x/y", "/run/x/y"),
        ("/up/passwd", "/etc/passwd"),
        ("/../../x", "/x"),
        ("//usr/./bin/../bin", "/usr/bin"),
        ("/", "/"),
    ],
)
def test_symlinks_are_followed_within_the_container(inside: Inside, path: str, found: str) -> None:
    assert inside.follow(path) == found
    assert inside.outside(path) == inside.root / found.strip("/")


def test_symlinks_in_circles_are_a_fault(inside: Inside) -> None:
    with pytest.raises(BivyError, match="circles"):
        inside.follow("/loop/x")


def test_what_lies_over_a_path_is_what_is_found(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to("/etc")
    laid, target = with_mount(inside, "/var/data", tmp_path / "data")
    assert target == "/run/data"
    assert laid.outside("/var/data/file") == tmp_path / "data/file"
    assert laid.outside("/var/data/link/passwd") == inside.root / "etc/passwd"


def test_a_file_that_is_not_there_has_no_text(inside: Inside) -> None:
    assert read_text(inside, "/bin/text") == "text"
    assert read_text(inside, "/etc/passwd") == ""
    assert read_text(inside, "/etc") == ""


@pytest.mark.parametrize(
    ("name", "directory"),
    [("tool", "/"), ("/bin/tool", "/"), ("./tool", "/bin"), ("bin/tool", "/usr"), ("/proc/self/exe", "/")],
)
def test_a_program_is_found_as_the_kernel_would(inside: Inside, name: str, directory: str) -> None:
    check_program(inside, name, "/nowhere:/bin", directory)


@pytest.mark.parametrize("name", ["missing", "/bin/missing", "/bin/away", "./tool"])
def test_a_program_that_is_missing_is_127(inside: Inside, name: str) -> None:
    with pytest.raises(CommandMissing) as caught:
        check_program(inside, name, "/bin", "/")
    assert caught.value.exit_status == 127


@pytest.mark.parametrize("name", ["text", "/bin/text", "/etc"])
def test_a_program_that_is_none_is_126(inside: Inside, name: str) -> None:
    with pytest.raises(CommandNotExecutable) as caught:
        check_program(inside, name, "/bin", "/")
    assert caught.value.exit_status == 126


def test_an_empty_word_is_no_command(inside: Inside) -> None:
    with pytest.raises(UsageError, match="empty word"):
        check_program(inside, "", "/bin", "/")
