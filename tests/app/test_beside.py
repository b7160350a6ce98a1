"""Files beside a project's package go into its image where they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.app.beside import usual
from bivy.app.contents import read_contents
from bivy.app.init import make_table
from bivy.app.own import own_layer
from bivy.app.project import read_project
from bivy.app.values import ProjectKind
from bivy.errors import UsageError
from tests.app.making import wheel, workplace
from tests.app.projects import write_files

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop"
version = "1.0"

[project.scripts]
shop = "shop:main"
"""
FILES = {
    "pyproject.toml": PYPROJECT,
    "shop/__init__.py": "def main(): pass\n",
    "manage.py": "print(1)\n",
    "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n",
    "migrations/env.py": "",
    "migrations/versions/one.py": "",
    "README.md": "# Shop\n",
}


def folder(tmp_path: Path, said: str = "") -> Path:
    return write_files(tmp_path / "project", {**FILES, "pyproject.toml": PYPROJECT + said})


def layer(place: Path, tmp_path: Path) -> set[str]:
    project = read_project(place)
    at = workplace(tmp_path / "cache")
    built = wheel(tmp_path / "built", "shop", "1.0", {"shop/__init__.py": ""})
    return {path for path in own_layer(project, read_contents(project, {}), at, [], lambda: built).paths
            if path.startswith("app/")}  # fmt: skip


def test_what_is_included_is_beside_the_wheel_where_the_program_starts(tmp_path: Path) -> None:
    place = folder(tmp_path, '\n[tool.bivy]\ninclude = ["/alembic.ini", "migrations/"]\n')
    assert read_project(place).kind is ProjectKind.PACKAGE
    assert layer(place, tmp_path) == {"app/alembic.ini", "app/migrations/env.py", "app/migrations/versions/one.py"}


def test_a_change_of_an_included_file_makes_another_layer(tmp_path: Path) -> None:
    place = folder(tmp_path, '\n[tool.bivy]\ninclude = ["/alembic.ini"]\n')
    at = workplace(tmp_path / "cache")
    built = wheel(tmp_path / "built", "shop", "1.0", {"shop/__init__.py": ""})
    digests = []
    for text in ("[alembic]\n", "[alembic]\nx = 1\n"):
        (place / "alembic.ini").write_text(text)
        project = read_project(place)
        digests.append(own_layer(project, read_contents(project, {}), at, [], lambda: built).digest)
    assert digests[0] != digests[1]


def test_without_a_word_there_is_the_wheel_alone_and_a_person_is_told(tmp_path: Path) -> None:
    place = folder(tmp_path)
    assert layer(place, tmp_path) == set()
    (note,) = read_project(place).notes
    assert 'include = ["/manage.py", "/alembic.ini", "/migrations/"]' in note


def test_a_pattern_that_means_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml:13: include: no file .* is meant by '/alembik\.ini'"):
        read_project(folder(tmp_path, '\n[tool.bivy]\ninclude = ["/alembik.ini"]\n'))


def test_a_program_that_is_included_can_be_started_in_place(tmp_path: Path) -> None:
    told = '\n[tool.bivy]\ninclude = ["/manage.py"]\nentrypoint = ["python3", "/app/manage.py"]\n'
    project = read_project(folder(tmp_path, told))
    assert (project.kind, project.start) == (ProjectKind.PACKAGE, ("python3", "/app/manage.py"))


def test_init_writes_the_line(tmp_path: Path) -> None:
    assert 'include = ["/manage.py", "/alembic.ini", "/migrations/"]' in make_table(folder(tmp_path)).text.splitlines()


@pytest.mark.parametrize(
    "text", ["[alembic", "[alembic]\nscript_location = ../x\n", "[alembic]\nscript_location = shop:db\n"]
)
def test_settings_of_alembics_that_name_no_folder_here_add_none(tmp_path: Path, text: str) -> None:
    place = folder(tmp_path)
    (place / "alembic.ini").write_text(text)
    assert usual(place, read_project(place).files) == ("/manage.py", "/alembic.ini")
