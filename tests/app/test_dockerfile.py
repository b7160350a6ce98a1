"""The Dockerfile of a project; that it builds is tested in tests/integration/test_dockerfile.py."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bivy.app.dockerfile import dockerfile, dockerignore, save_dockerfile, write_dockerfile
from bivy.app.project import read_project
from bivy.errors import BivyError, UsageError
from tests.app.projects import NAMED, write_files

BACKEND = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


def lines(folder: Path, files: dict[str, str], **told: object) -> list[str]:
    """Return the Dockerfile's lines for a package, where it has a build backend, and a folder with a main.py."""
    packaged = "shop/__main__.py" if BACKEND in files.get("pyproject.toml", "") else "main.py"
    return dockerfile(read_project(write_files(folder, {packaged: "", **files}), told)).splitlines()


def test_everything_that_can_be_said_is_said(tmp_path: Path) -> None:
    said = lines(
        tmp_path,
        {"pyproject.toml": NAMED},
        packages=["git>2"],
        environment={"A": 'x "$y" \\'},
        user="1000:1000",
        workdir="/data",
        ports=[8000, "53/udp"],
        volumes=["/data", "/more data"],
        labels={"team": "shop"},
        command=["--all", 'say "hello"'],
        python="3.13",
    )
    for line in (
        "FROM python:3.13-alpine",
        "RUN apk add --no-cache 'git>2'",
        'ENV PATH="/venv/bin:$PATH"',
        '    A="x \\"\\$y\\" \\\\"',
        '    team="shop"',
        "RUN mkdir -p '/more data' && chown 1000:1000 '/more data'",
        "WORKDIR /data",
        "EXPOSE 8000/tcp 53/udp",
        'VOLUME ["/data", "/more data"]',
        "USER 1000:1000",
        'ENTRYPOINT ["python3", "/app/main.py"]',
        'CMD ["--all", "say \\"hello\\""]',
    ):
        assert line in said


def test_it_runs_as_nobody_special_unless_told_otherwise(tmp_path: Path) -> None:
    said = lines(tmp_path, {"pyproject.toml": NAMED})
    assert "RUN adduser -D -u 65532 -h /home/nonroot -s /sbin/nologin nonroot" in said
    assert said.index("USER 65532:65532") < said.index('ENTRYPOINT ["python3", "/app/main.py"]')


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        ({"uv.lock": ""}, ["uv sync --frozen --no-default-groups --extra fast --group serve --no-install-project",
                           "uv sync --frozen --no-default-groups --extra fast --group serve --no-editable"]),
        ({"pylock.toml": ""}, ["uv pip sync pylock.toml --extra fast --group serve",
                               "uv pip install --no-deps /source"]),
        ({}, ["uv pip install -r pyproject.toml --extra fast --group serve", "uv pip install --no-deps /source"]),
    ],
)  # fmt: skip
def test_dependencies_are_installed_before_the_project_is_looked_at(
    tmp_path: Path, files: dict[str, str], steps: list[str]
) -> None:
    table = "[project.optional-dependencies]\nfast = []\n[dependency-groups]\nserve = []\n"
    text = BACKEND + NAMED + 'dependencies = ["rich"]\n' + table
    said = lines(tmp_path, {"pyproject.toml": text, **files}, extras=["fast"], groups=["serve"])
    places = [said.index(f"RUN {step}") for step in steps]
    assert places[0] < said.index("COPY --from=project /app /source") < places[1]


def test_hashes_of_a_requirements_file_are_required_and_what_it_names_is_there(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "-r more/all.txt\n",
        "more/all.txt": "-c pins.txt\nrich\n",
        "more/pins.txt": "rich==1 --hash=a",
    }
    said = lines(tmp_path, files)
    assert 'COPY ["requirements.txt", "./"]' in said
    assert 'COPY ["more/all.txt", "more/pins.txt", "./more/"]' in said
    assert "RUN uv pip install --require-hashes -r requirements.txt" in said
    with pytest.raises(BivyError, match=r"missing\.txt, which a requirements file names, is not in the project"):
        lines(tmp_path, {"requirements.txt": "-r missing.txt"})


def test_what_says_late_what_it_needs_is_installed_whole(tmp_path: Path) -> None:
    poetry = '[tool.poetry]\nname = "shop"\nversion = "1"\ndependencies = { rich = "*" }\n'
    assert "RUN uv pip install /source" in lines(tmp_path, {"pyproject.toml": poetry + BACKEND})
    dynamic = BACKEND + NAMED + 'dynamic = ["dependencies"]\n[project.optional-dependencies]\nfast = []\n'
    assert "RUN uv pip install '/source[fast]'" in lines(tmp_path, {"pyproject.toml": dynamic}, extras=["fast"])
    with pytest.raises(UsageError, match="in its build backend's own form"):
        lines(tmp_path, {"pyproject.toml": poetry + "package-mode = false\n"})


def test_a_version_that_git_knows_is_given_to_the_build(tmp_path: Path) -> None:
    text = BACKEND + '[project]\nname = "shop"\ndynamic = ["version"]\n'
    assert '    SETUPTOOLS_SCM_PRETEND_VERSION="0"' in lines(tmp_path, {"pyproject.toml": text})


def test_a_script_of_what_is_no_package_is_called(tmp_path: Path) -> None:
    text = NAMED + '[project.scripts]\nshop = "main:run.all"\n'
    entrypoint = json.loads(lines(tmp_path, {"pyproject.toml": text})[-2].removeprefix("ENTRYPOINT "))
    assert entrypoint == ["python3", "-c", "import sys, main; sys.exit(main.run.all())"]


def test_a_script_is_copied_alone_with_what_it_needs(tmp_path: Path) -> None:
    block = "# /// script\n# dependencies = [\"rich>=13; python_version > '3'\"]\n# ///\n"
    write_files(tmp_path, {"job.py": block, "other.py": ""})
    said = dockerfile(read_project(tmp_path / "job.py")).splitlines()
    assert 'COPY ["job.py", "/app/"]' in said
    assert """RUN uv pip install 'rich>=13; python_version > '"'"'3'"'"''""" in said


def test_a_line_break_cannot_be_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="A has a line break"):
        lines(tmp_path, {"pyproject.toml": NAMED}, environment={"A": "a\nb"})


def test_it_is_written_with_its_dockerignore_and_over_nothing(tmp_path: Path) -> None:
    write_files(tmp_path, {"main.py": "", ".gitignore": "*.log\n/data/\n# no\n\n!keep.log\n", "env/pyvenv.cfg": ""})
    project = read_project(tmp_path, {"exclude": ["docs/", "/top"]})
    assert [path.name for path in save_dockerfile(project)] == [".dockerignore", "Dockerfile"]
    ignored = (tmp_path / ".dockerignore").read_text().splitlines()
    for line in ("**/.git", "dist", "**/*.log", "data", "!**/keep.log", "env", "**/.env", "**/docs", "top"):
        assert line in ignored
    shown = io.StringIO()
    write_dockerfile(project, shown)
    assert (tmp_path / "Dockerfile").read_text() == shown.getvalue()
    with pytest.raises(UsageError, match="Dockerfile is there already"):
        save_dockerfile(project)


def test_a_dockerignore_that_is_there_stays(tmp_path: Path) -> None:
    write_files(tmp_path, {"main.py": "", ".dockerignore": "*.md\n"})
    project = read_project(tmp_path)
    assert "\n*.md\n" in dockerignore(project)
    assert [path.name for path in save_dockerfile(project)] == ["Dockerfile"]
    assert (tmp_path / ".dockerignore").read_text() == "*.md\n"
