"""The table for a project that has none."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bivy.app.init import make_table, write_table
from bivy.app.project import read_project
from bivy.errors import UsageError
from tests.app.projects import NAMED, write_files

WEB = {"shop/__init__.py": "", "shop/web.py": "from fastapi import FastAPI\napp = FastAPI()\n"}
SERVED = NAMED + 'dependencies = ["fastapi", "uvicorn"] # here\n'


def bivy(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "bivy", *words], capture_output=True, text=True)


def test_the_table_says_what_would_have_been_found_and_explains_each_line(tmp_path: Path) -> None:
    write_files(tmp_path, {"pyproject.toml": SERVED, **WEB})
    before = read_project(tmp_path)
    write_table(make_table(tmp_path))
    text = (tmp_path / "pyproject.toml").read_text()
    after = read_project(tmp_path)
    assert (after.start, after.ports, after.python, after.repository) == (
        before.start, before.ports, before.python, before.repository,
    )  # fmt: skip
    assert after.options.entrypoint == ("uvicorn", "shop.web:app", "--host", "0.0.0.0", "--port", "8000")
    table = text.partition("[tool.bivy]\n")[2].splitlines()
    for number, line in enumerate(table):
        if not line.startswith("#"):
            assert table[number - 1].startswith("# "), f"{line} is not explained"
    assert "What is started: shop.web:app is an application made by FastAPI" in text


def test_every_line_that_is_offered_is_right(tmp_path: Path) -> None:
    extras = "[project.optional-dependencies]\nfast = []\n[dependency-groups]\ndev = []\n"
    write_files(tmp_path, {"pyproject.toml": SERVED + extras, **WEB})
    text = make_table(tmp_path).text
    offered = re.sub(r"(?m)^# (?=\w+ = )", "", text)
    assert offered != text
    write_files(tmp_path, {"pyproject.toml": SERVED + extras + offered})
    assert read_project(tmp_path).options.packages == ("git",)


@pytest.mark.parametrize(
    "text",
    [
        SERVED,
        SERVED.rstrip("\n"),
        SERVED.replace("\n", "\r\n"),
        "\ufeff" + SERVED,
        SERVED + "[tool.uv]\npackage = false\n[[tool.uv.index]]\nurl = 'x'\n\n\n# the end",
        SERVED + "[tool]\nuv.package = false\n",
        "tool.uv.package = false\n" + SERVED,
    ],
)
def test_nothing_else_of_the_file_changes(tmp_path: Path, text: str) -> None:
    write_files(tmp_path, {"pyproject.toml": text, **WEB})
    (tmp_path / "pyproject.toml").chmod(0o640)
    write_table(make_table(tmp_path))
    after = (tmp_path / "pyproject.toml").read_bytes().decode()
    assert after.startswith(text)
    assert ("\r\n[tool.bivy]\r\n" if "\r" in text else "\n[tool.bivy]\n") in after
    assert ("\r\n" in after) == ("\r\n" in text)
    assert (tmp_path / "pyproject.toml").stat().st_mode & 0o777 == 0o640
    assert read_project(tmp_path).options.entrypoint


def test_a_file_that_cannot_be_added_to_stays_as_it_is(tmp_path: Path) -> None:
    text = "tool = { uv = { package = false } }\n" + SERVED
    write_files(tmp_path, {"pyproject.toml": text, **WEB})
    with pytest.raises(UsageError, match="written so that no table can be put at its end") as caught:
        write_table(make_table(tmp_path))
    assert "--print" in (caught.value.hint or "")
    assert (tmp_path / "pyproject.toml").read_text() == text


def test_a_table_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    write_files(tmp_path, {"pyproject.toml": SERVED + "[tool.bivy]\ntag = '1'\n", **WEB})
    with pytest.raises(UsageError, match=r"pyproject.toml:5: what the image is to be like is said already"):
        make_table(tmp_path)
    write_files(tmp_path, {"pyproject.toml": SERVED, "bivy.toml": "", **WEB})
    with pytest.raises(UsageError, match=r"bivy.toml:1: what the image is to be like is said already"):
        make_table(tmp_path)


def test_a_project_without_pyproject_gets_a_file_of_its_own(tmp_path: Path) -> None:
    write_files(tmp_path, {"requirements.txt": "uvicorn", **WEB})
    done = bivy("init", tmp_path)
    assert done.returncode == 0
    assert f"{tmp_path / 'bivy.toml'}: what the image is to be like is written down there" in done.stdout
    assert "started is uvicorn shop.web:app" in done.stdout
    assert "entrypoint" in tomllib.loads((tmp_path / "bivy.toml").read_text())
    assert read_project(tmp_path).why == "`entrypoint` says so"


def test_several_candidates_are_left_to_choose_from(tmp_path: Path) -> None:
    write_files(tmp_path, {"pyproject.toml": NAMED, "main.py": "", "app.py": ""})
    done = bivy("init", tmp_path)
    assert "there are 2 files that may be the program: take the # off" in done.stdout
    text = (tmp_path / "pyproject.toml").read_text()
    assert '# entrypoint = ["python3", "/app/main.py"]\n# entrypoint = ["python3", "/app/app.py"]\n' in text
    with pytest.raises(UsageError, match="2 files"):
        read_project(tmp_path)


def test_nothing_to_start_is_left_to_fill_in(tmp_path: Path) -> None:
    write_files(tmp_path, {"pyproject.toml": NAMED, "shop/a.py": ""})
    done = bivy("init", tmp_path)
    assert "fill in the line" in done.stdout
    assert '# entrypoint = ["python3", "-m", "…"]' in (tmp_path / "pyproject.toml").read_text()


def test_it_can_be_looked_at_first(tmp_path: Path) -> None:
    write_files(tmp_path, {"pyproject.toml": SERVED, **WEB})
    done = bivy("init", tmp_path, "--print")
    assert done.stdout == make_table(tmp_path).text
    assert done.stdout.startswith("[tool.bivy]\n")
    assert (tmp_path / "pyproject.toml").read_text() == SERVED


def test_a_scripts_table_is_shown_and_not_written(tmp_path: Path) -> None:
    write_files(tmp_path, {"job.py": "print()\n"})
    shown = bivy("init", tmp_path / "job.py", "--print").stdout
    assert shown.startswith("# [tool.bivy]\n# # What is started: it is the script.\n# entrypoint = ")
    refused = bivy("init", tmp_path / "job.py")
    assert refused.returncode == 2
    assert "--print" in refused.stderr
    (tmp_path / "job.py").write_text(f"# /// script\n{shown}# ///\nprint()\n")
    assert read_project(tmp_path / "job.py").options.name == "job"


def test_nothing_is_said_where_nothing_is_to_be(tmp_path: Path) -> None:
    write_files(tmp_path, {"main.py": ""})
    assert bivy("init", "-q", tmp_path).stdout == ""
    assert (tmp_path / "bivy.toml").exists()


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    done = bivy("init", tmp_path)
    assert done.returncode == 2
    assert "is no project" in done.stderr
    assert list(tmp_path.iterdir()) == []
