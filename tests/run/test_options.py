"""What is asked for and what the image says, put together as docker does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bivy.errors import UsageError
from bivy.oci.config import ImageConfig
from bivy.run.options import Plan, RunOptions, Volume, parse_variable, parse_variables, parse_volume, plan
from tests.run.conftest import CONFIG, GROUP, PASSWD


def planned(config: ImageConfig = CONFIG, *, terminal: bool = False, **options: object) -> Plan:
    asked = RunOptions(**options)  # type: ignore[arg-type]
    return plan(config, asked, passwd=PASSWD, group=GROUP, hostname="tent", terminal=terminal)


@pytest.mark.parametrize(
    ("entrypoint", "command", "words"),
    [
        (None, (), ("entry", "cmd")),
        (None, ("asked",), ("entry", "asked")),
        ("own", (), ("own",)),
        ("own", ("asked",), ("own", "asked")),
        ("", ("asked",), ("asked",)),
    ],
)
def test_a_command_replaces_the_images_and_an_entrypoint_both(
    entrypoint: str | None, command: tuple[str, ...], words: tuple[str, ...]
) -> None:
    config = replace(CONFIG, entrypoint=("entry",), cmd=("cmd",))
    assert planned(config, entrypoint=entrypoint, command=command).argv == words


@pytest.mark.parametrize("entrypoint", ["", None])
def test_no_command_at_all_is_refused(entrypoint: str | None) -> None:
    with pytest.raises(UsageError, match="no command to run"):
        planned(replace(CONFIG, cmd=("cmd",) if entrypoint == "" else ()), entrypoint=entrypoint)


def test_variables_come_from_the_image_then_from_what_is_asked_for() -> None:
    config = replace(CONFIG, env=("A=image", "B=image", "C=image", "EMPTY=", "EQUALS=a=b"))
    found = planned(config, environment=(("B", "first"), ("B", "asked"), ("C", None), ("D", None))).environment
    assert found == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": "tent", "HOME": "/root", "A": "image", "B": "asked", "EMPTY": "", "EQUALS": "a=b",
    }  # fmt: skip


def test_home_is_the_users_unless_something_says_otherwise() -> None:
    assert planned(user="web").environment["HOME"] == "/srv/web"
    assert planned(user="4242").environment["HOME"] == "/"
    assert planned(replace(CONFIG, env=("HOME=/own",)), user="web").environment["HOME"] == "/own"


def test_a_terminal_has_a_name() -> None:
    assert planned(terminal=True).environment["TERM"] == "xterm"
    assert "TERM" not in planned().environment


def test_the_user_asked_for_goes_before_the_images() -> None:
    found = planned(replace(CONFIG, user="web"), user="0")
    assert (found.uid, found.gid) == (0, 0)


def test_the_working_directory_is_absolute() -> None:
    assert planned().directory == "/"
    assert planned(replace(CONFIG, working_dir="/srv"), directory="/asked").directory == "/asked"
    with pytest.raises(UsageError, match="not absolute"):
        planned(directory="relative")


def test_a_variable_without_a_value_takes_the_machines_or_is_taken_away() -> None:
    assert parse_variable("A=b=c", {}) == ("A", "b=c")
    assert parse_variable("A=", {"A": "here"}) == ("A", "")
    assert parse_variable("A", {"A": "here"}) == ("A", "here")
    assert parse_variable("A", {}) == ("A", None)


@pytest.mark.parametrize("text", ["", "=value", "A=\0"])
def test_a_variable_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a variable"):
        parse_variable(text, {})


def test_a_file_of_variables_is_read_as_docker_reads_it() -> None:
    text = "\ufeff# comment\n\n  A=with # no comment\nB= spaces \nHERE\n\t# comment\nC='quotes stay'\r\n"
    assert parse_variables(text, "file", {"HERE": "x"}) == (
        ("A", "with # no comment"), ("B", " spaces "), ("HERE", "x"), ("C", "'quotes stay'"),
    )  # fmt: skip


def test_a_wrong_line_is_named_by_its_number() -> None:
    with pytest.raises(UsageError, match=r"^env:2: the name 'export A' has a space"):
        parse_variables("A=1\nexport A=2\n", "env", {})


def test_a_volume_is_a_path_here_and_one_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert parse_volume(f"{tmp_path}/data:/data") == Volume(tmp_path / "data", "/data")
    assert parse_volume("./data:/a/b:ro") == Volume(tmp_path / "data", "/a/b", writable=False)
    assert parse_volume(".:/a:rw") == Volume(tmp_path, "/a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/tmp", "is not a volume"),
        (":/a", "is not a volume"),
        ("/tmp:/a:exec", "is not a volume"),
        ("/tmp:/a:ro:ro", "is not a volume"),
        ("/tmp:a", "is not a path in the container"),
        ("/tmp:/", "is not a path in the container"),
        ("name:/a", "bivy has none"),
        ("./missing:/a", "does not exist"),
    ],
)
def test_a_wrong_volume_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_volume(text)
