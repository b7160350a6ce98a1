"""Which files are read, and what becomes of those that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.musl.code import check_code
from bivy.musl.code.sources import LARGEST
from bivy.musl.report import Part
from tests.musl.code.conftest import TARGET

FAILS = "import os\nos.getlogin()\n"


def check(*paths: Path, root: Path | None = None) -> Part:
    return check_code(paths, targets=[TARGET], root=root)


def write(path: Path, content: str | bytes = FAILS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def found_in(part: Part) -> list[str]:
    return [finding.path for finding in part.findings]


def test_paths_are_relative_to_the_root_and_otherwise_as_they_were_given(tmp_path: Path) -> None:
    write(tmp_path / "pkg" / "code.py")
    assert found_in(check(tmp_path, root=tmp_path)) == ["pkg/code.py"]
    assert found_in(check(tmp_path / "pkg", root=tmp_path / "elsewhere")) == [str(tmp_path / "pkg" / "code.py")]


def test_what_is_not_the_persons_own_is_left_out(tmp_path: Path) -> None:
    for folder in ("build", ".git", ".venv", "node_modules", "__pycache__", "a/site-packages/b"):
        write(tmp_path / folder / "code.py")
    write(tmp_path / "env" / "pyvenv.cfg", "home = /usr/bin\n")
    write(tmp_path / "env" / "lib" / "code.py")
    write(tmp_path / "stub.pyi")
    write(tmp_path / "data.txt")
    write(tmp_path / "own" / "code.py")
    assert found_in(check(tmp_path, root=tmp_path)) == ["own/code.py"]


def test_a_folder_that_is_left_out_is_read_when_it_is_named(tmp_path: Path) -> None:
    write(tmp_path / "build" / "code.py")
    assert found_in(check(tmp_path / "build", root=tmp_path)) == ["build/code.py"]


def test_scripts_that_name_python_are_read_and_others_are_not(tmp_path: Path) -> None:
    write(tmp_path / "tool", "#!/usr/bin/env python3\n" + FAILS)
    write(tmp_path / "shell", "#!/bin/sh\necho\n")
    write(tmp_path / "binary", b"\x7fELF\x00")
    part = check(tmp_path, root=tmp_path)
    assert found_in(part) == ["tool"]
    assert part.problems == ()
    assert part.looked_at == {"source files": 1}


def test_a_file_is_read_once_however_often_it_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "code.py")
    (tmp_path / "link.py").symlink_to(file)
    assert len(check(tmp_path, file, tmp_path).findings) == 1


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    write(tmp_path / "a" / "code.py")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    part = check(tmp_path, root=tmp_path)
    assert found_in(part) == ["a/code.py"]
    assert [problem.subject for problem in part.problems] == [str(tmp_path / "loop.py")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def f(:\n", "line 1"),
        ("x = 1\n  y = 2\n", "line 2"),
        (b"x = 1\x00\n", "null bytes"),
        (b"# caf\xe9\n", "encoding"),
        (b"# -*- coding: nonsense -*-\n", "nonsense"),
        (b"# -*- coding: ascii -*-\n\nx = '\xc3\xa9'\n", "around line 3"),
        ("(" * 100_000 + ")" * 100_000, ""),
        ("x = " + "-" * 100_000 + "1", ""),
        (b"#" * (LARGEST + 1), "larger than 8 MB"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_and_the_rest_is_reported(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    write(tmp_path / "bad.py", content)
    write(tmp_path / "good.py")
    part = check(tmp_path, root=tmp_path)
    assert found_in(part) == ["good.py"]
    assert [problem.subject for problem in part.problems] == ["bad.py"]
    assert message in part.problems[0].message


def test_deep_code_that_parses_is_read_or_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path / "deep.py", "x = " + "+".join(["y"] * 5000) + "\n")
    write(tmp_path / "long.py", "x = y" + ".z" * 500 + "()\nw = x" + "[0]" * 90 + "\n")
    write(tmp_path / "good.py")
    part = check(tmp_path, root=tmp_path)
    assert found_in(part) == ["good.py"]
    assert {problem.subject for problem in part.problems} <= {"deep.py", "long.py"}


def test_names_that_are_their_own_value_come_to_an_end(tmp_path: Path) -> None:
    code = """
    import subprocess
    class Runner:
        def run(self):
            self.command = self.command + ["x"]
            self.flag = not self.flag
            subprocess.run(self.command)
            if self.flag:
                self.name = self.name % 1 + self.name
                subprocess.run(self.name, shell=True)
    a = b
    b = a
    if a:
        subprocess.run(a)
    """.replace("\n    ", "\n")
    write(tmp_path / "code.py", code)
    part = check(tmp_path, root=tmp_path)
    assert part.problems == ()
    assert part.findings == ()


@pytest.mark.parametrize(
    "text", ["%", "\\n", "<<a ", "{a,", "options a\\n", "((", "$((", "x=(", "a.", "/", " ", "'a' "]
)
def test_long_texts_come_to_an_end(tmp_path: Path, text: str) -> None:
    shown = text * 300_000 if "'" not in text else text * 20_000
    quoted = f'"{shown}"' if "'" not in text else f"({shown})"
    write(
        tmp_path / "long.py",
        f"import subprocess, time\nx = {quoted}\nsubprocess.run(x, shell=True)\ntime.strftime(x)\n",
    )
    part = check(tmp_path / "long.py")
    assert part.looked_at["source files"] == 1


def test_the_declared_encoding_counts(tmp_path: Path) -> None:
    write(tmp_path / "latin.py", b"# -*- coding: latin-1 -*-\nname = '\xe9'\n" + FAILS.encode())
    write(tmp_path / "mark.py", b"\xef\xbb\xbf" + FAILS.encode())
    part = check(tmp_path, root=tmp_path)
    assert part.problems == ()
    assert [(finding.path, finding.line) for finding in part.findings] == [("latin.py", 4), ("mark.py", 2)]


def test_what_fails_while_it_is_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "memory.py").symlink_to("/proc/self/mem")
    part = check(tmp_path, root=tmp_path)
    assert ["cannot be read" in problem.message for problem in part.problems] == [True]


def test_what_is_not_there_or_is_no_file_is_a_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    part = check(tmp_path / "nowhere.py", tmp_path)
    assert [problem.subject for problem in part.problems] == [str(tmp_path / "nowhere.py"), str(tmp_path / "pipe.py")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path / "secret.py").chmod(0)
    write(tmp_path / "closed" / "code.py").parent.chmod(0)
    part = check(tmp_path, root=tmp_path)
    (tmp_path / "closed").chmod(0o755)
    assert len(part.problems) == 2


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_are_a_problem(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = write(tmp_path_factory.mktemp("bytes") / "code.py", content)
    part = check(file)
    assert len(part.problems) + part.looked_at["source files"] == 1


WORDS = [*"=()[].,:+%>1x", "import os", "import subprocess as sp", "os", "sp", "\n", "\n    ", "if ", "else:", "try:",
         "except OSError:", "def f():", "for x in ", "lambda: ", "'ls'", "f'{x}'", "run", "environ", "'TZ'",
         "shell=True", "sys", "version_info", "(3, 9)", "self", "class C:", "return", "with "]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_any_words_are_read_or_are_a_problem(tmp_path_factory: pytest.TempPathFactory, code: str) -> None:
    file = write(tmp_path_factory.mktemp("words") / "code.py", code)
    part = check(file)
    assert len(part.problems) + part.looked_at["source files"] == 1
