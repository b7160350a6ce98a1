"""How a project's image starts, as whom and where, and what is refused before it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bivy.app.image import assemble, check_start, folders_of, user_of
from bivy.app.project import read_project
from bivy.app.values import Project
from bivy.errors import UsageError
from tests.app.making import EPOCH, SITE, a_base, base_image

PYPROJECT = """\
[project]
name = "My.Shop"
version = "1.0+local"
description = "A shop"
license = "MIT"
[project.urls]
Homepage = "https://shop.example"
"""


def project(tmp_path: Path, **told: Any) -> Project:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "main.py").write_text("print(1)\n")
    return read_project(folder, {"entrypoint": ["python3", "main.py"], **told})


def test_the_image_says_how_it_starts_and_what_it_is(tmp_path: Path) -> None:
    told = {"command": ["--help"], "ports": ["8000"], "volumes": ["/data"], "environment": {"A": "b"}}
    image = assemble(project(tmp_path, **told), base_image(), "python:3.14-alpine", [], EPOCH)
    config = image.config
    assert config.entrypoint == ("/sbin/bivy-init", "python3", "main.py")
    assert (config.cmd, config.user, config.working_dir) == (("--help",), "65532:65532", "/app")
    assert config.env == ("PATH=/usr/local/bin:/bin", "PYTHON_VERSION=3.14.7", "PYTHONUNBUFFERED=1",
                          "PYTHONPATH=/app", "A=b")  # fmt: skip
    assert (config.exposed_ports, config.volumes, config.stop_signal) == (("8000/tcp",), ("/data",), "SIGTERM")
    assert config.labels["org.opencontainers.image.title"] == "My.Shop"
    assert image.annotations["org.opencontainers.image.url"] == "https://shop.example"
    assert image.annotations["org.opencontainers.image.base.name"] == "python:3.14-alpine"
    assert image.annotations["org.opencontainers.image.base.digest"] == base_image().digest
    assert image.annotations["org.opencontainers.image.created"] == config.created == "2026-01-01T00:00:00Z"


def test_variables_of_the_project_s_go_before_bivy_s(tmp_path: Path) -> None:
    told = project(tmp_path, environment={"PYTHONUNBUFFERED": "", "PYTHONPATH": "/x"})
    variables = assemble(told, base_image(), "b", [], EPOCH).config.env
    assert "PYTHONUNBUFFERED=" in variables
    assert "PYTHONPATH=/x" in variables


@pytest.mark.parametrize("program", ["python", "python3", "/usr/local/bin/python3", "tool", "/usr/local/bin/tool"])
def test_a_program_may_be_in_the_base_or_in_what_is_installed(tmp_path: Path, program: str) -> None:
    base = a_base(tmp_path)
    check_start(project(tmp_path, entrypoint=[program]), base, ["PATH=/bin:/usr/local/bin"], {"usr/local/bin/tool"})


@pytest.mark.parametrize(
    ("program", "hint"), [("tol", "is 'tool' meant?"), ("/usr/bin/python3", ""), ("gunicorn", "add what brings it")]
)
def test_a_program_that_is_not_there_is_refused(tmp_path: Path, program: str, hint: str) -> None:
    base = a_base(tmp_path)
    with pytest.raises(UsageError, match=f"no program '{program}'") as fault:
        check_start(project(tmp_path, entrypoint=[program]), base, ["PATH=/usr/local/bin"], {"usr/local/bin/tool"})
    assert hint in (fault.value.hint or "")


def test_a_module_may_be_of_the_standard_library_or_installed(tmp_path: Path) -> None:
    base = a_base(tmp_path)
    for module, paths in (("os", set()), ("tool", {f"{SITE}/tool/__main__.py"}), ("main", {"app/main.py"})):
        check_start(project(tmp_path, entrypoint=["python3", "-m", module]), base, ["PATH=/usr/local/bin"], paths)


def test_a_module_that_is_not_there_is_refused(tmp_path: Path) -> None:
    told = project(tmp_path, entrypoint=["python3", "-m", "tol"])
    with pytest.raises(UsageError, match="no module 'tol'") as fault:
        check_start(told, a_base(tmp_path), ["PATH=/usr/local/bin"], {f"{SITE}/tool/__init__.py"})
    assert fault.value.hint == "is 'tool' meant?"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("65532:65532", (65532, 65532)), ("web", (1000, 1001)), ("1000", (1000, 1001)), ("5000", (5000, 0)),
     ("web:0", (1000, 0)), ("7:www", (7, 1001)), ("root", (0, 0))],
)  # fmt: skip
def test_users_are_known_by_name_or_number(tmp_path: Path, text: str, numbers: tuple[int, int]) -> None:
    assert user_of(text, a_base(tmp_path)) == numbers


@pytest.mark.parametrize("text", ["nobody-knows", "web:nobody-knows"])
def test_a_user_that_the_base_does_not_know_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="the base has no"):
        user_of(text, a_base(tmp_path))


def test_volumes_belong_to_the_user_and_the_working_directory_to_root(tmp_path: Path) -> None:
    told = project(tmp_path, volumes=["/data"], workdir="/srv/app", user="web")
    found = {each.entry.path: (each.entry.uid, each.entry.gid) for each in folders_of(told, a_base(tmp_path))}
    assert found == {"srv/app": (0, 0), "data": (1000, 1001)}


@pytest.mark.parametrize("path", ["data", "/a/../b"])
def test_a_volume_that_is_no_folder_of_an_image_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError):
        folders_of(project(tmp_path, volumes=[path]), a_base(tmp_path))
