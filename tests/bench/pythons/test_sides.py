"""A side is named, found, and run in a sandbox of its own."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench.pythons.dependencies import LOCK, platform_of, programs_version
from bench.pythons.sides import (
    Asked,
    FailedError,
    Side,
    find_python,
    last_lines,
    opened_side,
    parse_side,
    run,
    with_variables,
)

from bivy.errors import BivyError, UsageError
from bivy.sandbox import why_no_sandbox
from tests.bench.pythons.records import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_sandbox = pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no sandbox: {why_no_sandbox()}")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Side]:
    with opened_side(Asked("here", "system"), layout=tmp_path, cache=tmp_path) as side:
        yield side


def put_program(root: Path, path: str) -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("#!/bin/sh\n")
    place.chmod(0o755)


@pytest.mark.parametrize(
    ("text", "name", "what"),
    [
        ("debian=/some/folder", "debian", "/some/folder"),
        ("image=python:3.14-alpine", "image", "python:3.14-alpine"),
        ("system", "system", "system"),
        ("lab=/root:/usr/bin/python3.14", "lab", "/root:/usr/bin/python3.14"),
    ],
)
def test_a_side_has_a_name_and_says_what_it_is(text: str, name: str, what: str) -> None:
    assert parse_side(text) == Asked(name, what)


@pytest.mark.parametrize("text", ["", "=", "name=", "=what"])
def test_half_a_side_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no side"):
        parse_side(text)


def test_variables_are_for_the_side_that_they_name() -> None:
    first, second = with_variables([Asked("a", "x"), Asked("b", "y")], ["b:PYTHONMALLOC=malloc", "b:A=b=c:d"])
    assert first.environment == {}
    assert second.environment == {"PYTHONMALLOC": "malloc", "A": "b=c:d"}


@pytest.mark.parametrize("text", ["c:A=b", "A=b", "a:A", "a:=b"])
def test_a_variable_for_no_side_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        with_variables([Asked("a", "x")], [text])


def test_the_python_of_an_image_comes_before_that_of_the_distribution(tmp_path: Path) -> None:
    put_program(tmp_path, "usr/bin/python3.13")
    assert find_python(tmp_path) == "/usr/bin/python3.13"
    put_program(tmp_path, "usr/bin/python3")
    assert find_python(tmp_path) == "/usr/bin/python3"
    put_program(tmp_path, "usr/local/bin/python3.9")
    put_program(tmp_path, "usr/local/bin/python3.14")
    put_program(tmp_path, "usr/local/bin/python3-config")
    assert find_python(tmp_path) == "/usr/local/bin/python3.14"


def test_a_link_to_an_absolute_path_is_followed_inside_the_root(tmp_path: Path) -> None:
    put_program(tmp_path, "opt/made-for-this-test")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3").symlink_to("/opt/made-for-this-test")
    assert find_python(tmp_path) == "/usr/bin/python3"


def test_a_root_without_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Python in"):
        find_python(tmp_path)


@needs_sandbox
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no-such-image:1", "not an OCI layout"),
        ("{folder}", "no Python in"),
        ("{folder}:/usr/bin/python3", "no program /usr/bin/python3"),
        ("debian", "no debian side yet"),
    ],
)
def test_a_side_that_is_not_there_is_refused(tmp_path: Path, what: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    asked = Asked("name", what.format(folder=tmp_path / "folder"))
    with pytest.raises(UsageError, match=message), opened_side(asked, layout=tmp_path / "dist", cache=tmp_path):
        pass


@needs_sandbox
def test_a_python_that_does_not_start_is_refused_with_what_it_said(tmp_path: Path) -> None:
    put_program(tmp_path, "usr/bin/python3")
    for name in ("dev", "proc", "tmp"):
        (tmp_path / name).mkdir()
    asked = Asked("name", str(tmp_path))
    with (
        pytest.raises(BivyError, match=r"Python of name .* does not run: bwrap"),
        opened_side(asked, layout=tmp_path, cache=tmp_path),
    ):
        pass


@needs_sandbox
def test_this_machines_python_says_what_it_is(system: Side) -> None:
    assert system.facts.version.startswith("3.")
    assert system.facts.libc.split()[0] in ("glibc", "musl")
    assert system.facts.build.startswith(system.facts.version)


@needs_sandbox
def test_nothing_of_the_sides_can_be_written_to_and_of_the_environment_nothing_is_seen(
    system: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "/x")
    code = """if True:
        import os
        print(sorted(os.environ))
        open("/tmp/can", "w").close()
        for path in ("/usr/cannot", "/tmp/inside/cannot"):
            try:
                open(path, "w")
            except OSError:
                print("no")
    """
    said = run(system, ["-c", code], scratch=tmp_path, patience=60)
    assert said.splitlines()[1:] == ["no", "no"]
    assert "PYTHONSTARTUP" not in said
    assert (tmp_path / "can").exists()


@needs_sandbox
def test_a_program_that_fails_is_told_by_its_last_lines(system: Side, tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="ZeroDivisionError"):
        run(system, ["-c", "1 / 0"], scratch=tmp_path, patience=60)


@needs_sandbox
def test_a_program_that_takes_too_long_is_ended(system: Side, tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="took longer than 1 s"):
        run(system, ["-c", "import time; time.sleep(3600)"], scratch=tmp_path, patience=1)


@pytest.mark.parametrize(
    ("libc", "platform"),
    [
        ("musl 1.2.6", "x86_64-unknown-linux-musl"),
        ("glibc 2.43", "x86_64-manylinux_2_40"),
        ("glibc 2.36", "x86_64-manylinux_2_36"),
        ("glibc 2.30", "x86_64-manylinux_2_28"),
    ],
)
def test_what_programs_need_is_installed_for_the_c_library_of_the_side(libc: str, platform: str) -> None:
    assert platform_of(facts("side", libc)) == platform


def test_an_unknown_c_library_is_refused() -> None:
    with pytest.raises(BivyError, match="is not known"), contextlib.nullcontext():
        platform_of(facts("side", ""))


def test_the_lock_has_one_version_of_the_programs_and_names_no_index() -> None:
    assert programs_version()
    assert "://" not in LOCK.read_text()


def test_where_pyperf_gives_up_because_its_worker_did_it_is_the_workers_lines_that_are_told() -> None:
    workers = "Traceback (most recent call last):\n  here\nImportError: no module\n"
    pyperfs = "Traceback (most recent call last):\n  line 132, in spawn_worker\nRuntimeError: failed\n"
    assert last_lines(workers + pyperfs).endswith("ImportError: no module")
    assert last_lines(pyperfs).endswith("RuntimeError: failed")
    assert last_lines("x\n" * 100).count("x") < 20
