"""A folder or a script is read as the project that it is, and what is no project is refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from bivy.app.metadata import poetry_constraint
from bivy.app.project import read_project
from bivy.app.values import Project, ProjectKind, labels_of
from bivy.errors import UsageError
from tests.app.projects import NAMED, write_files

BACKEND = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


def project(folder: Path, files: dict[str, str], **told: object) -> Project:
    return read_project(write_files(folder, {"main.py": "", **files}), told)


def refusal(folder: Path, files: dict[str, str], **told: object) -> str:
    with pytest.raises(UsageError) as caught:
        project(folder, files, **told)
    return f"{caught.value}\n{caught.value.hint}"


FULL = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "Shop.Web"
version = "1.4+local"
description = "Sells\\nthings"
license = "MIT"
authors = [{ name = "Ada" }, { email = "bob@example.org" }]
requires-python = ">=3.12"
dependencies = ["flask"]

[project.urls]
"Home Page" = "https://example.org/home"
homepage = "https://example.org"
Repository = "https://example.org/git"
Docs = "https://example.org/docs"

[project.optional-dependencies]
"Big_Data" = ["numpy"]
other = ["scipy"]

[project.scripts]
shop = "shop.cli:main"

[dependency-groups]
serve = ["gunicorn", { include-group = "logs" }]
logs = ["structlog"]
dev = ["pytest"]

[tool.bivy]
extras = ["big-data"]
groups = ["serve"]
labels = { team = "shop", "org.opencontainers.image.licenses" = "MIT OR Apache-2.0" }
"""


def test_a_project_says_what_it_is(tmp_path: Path) -> None:
    found = project(tmp_path, {"pyproject.toml": FULL, "src/shop/cli.py": ""})
    assert (found.name, found.version, found.kind) == ("Shop.Web", "1.4+local", ProjectKind.PACKAGE)
    assert (found.repository, found.tag) == ("shop-web", "1.4-local")
    assert found.metadata.requires == ("flask", "numpy", "gunicorn", "structlog")
    assert found.metadata.extras == {"big-data", "other"}
    assert found.metadata.groups == {"serve", "logs", "dev"}
    assert found.metadata.scripts == {"shop": "shop.cli:main"}
    assert (found.start, found.why) == (("shop",), "it is its only script")
    assert found.imports == ("src",)
    assert found.dependencies == "pyproject.toml"
    assert labels_of(found) == {
        "org.opencontainers.image.title": "Shop.Web",
        "org.opencontainers.image.version": "1.4+local",
        "org.opencontainers.image.description": "Sells things",
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        "org.opencontainers.image.authors": "Ada, bob@example.org",
        "org.opencontainers.image.url": "https://example.org",
        "org.opencontainers.image.source": "https://example.org/git",
        "org.opencontainers.image.documentation": "https://example.org/docs",
        "team": "shop",
    }


@pytest.mark.parametrize("where", ["", "pyproject.toml"])
def test_its_folder_or_its_file_can_be_named(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"pyproject.toml": NAMED, "main.py": ""})
    assert read_project(tmp_path / where).name == "shop"
    monkeypatch.chdir(tmp_path)
    assert read_project(Path(where)).root == tmp_path.resolve()


def test_a_folder_without_metadata_is_called_what_it_is_called(tmp_path: Path) -> None:
    found = project(tmp_path / "My Shop", {"requirements.txt": "rich\n"})
    assert (found.name, found.version, found.kind) == ("My Shop", "0", ProjectKind.FOLDER)
    assert (found.repository, found.dependencies) == ("my-shop", "requirements.txt")


@pytest.mark.parametrize("file", ["uv.lock", "pylock.toml"])
def test_a_lock_says_what_it_depends_on(tmp_path: Path, file: str) -> None:
    lock = 'lock-version = "1.0"\ncreated-by = "a test"\npackages = []\n'
    files = {"pyproject.toml": NAMED, "requirements.txt": "rich", file: lock}
    assert project(tmp_path, files).dependencies == file


def test_dependencies_that_are_found_when_it_is_built_are_those_of_its_requirements_file(tmp_path: Path) -> None:
    text = NAMED + 'dynamic = ["dependencies"]\n'
    assert project(tmp_path, {"pyproject.toml": text}).dependencies == "pyproject.toml"
    assert project(tmp_path, {"requirements.txt": "rich"}).dependencies == "requirements.txt"


def test_what_poetry_exported_goes_before_its_own_table(tmp_path: Path) -> None:
    assert project(tmp_path, {"pyproject.toml": POETRY}).dependencies == "pyproject.toml"
    assert project(tmp_path, {"requirements.txt": "rich"}).dependencies == "requirements.txt"


def test_a_project_that_is_no_package_is_used_where_it_is(tmp_path: Path) -> None:
    assert project(tmp_path, {"pyproject.toml": NAMED}).kind is ProjectKind.FOLDER
    text = BACKEND + NAMED
    package = {"shop/__main__.py": "", "pyproject.toml": text}
    assert project(tmp_path, package).kind is ProjectKind.PACKAGE
    assert project(tmp_path, {"pyproject.toml": text + "[tool.uv]\npackage = false\n"}).kind is ProjectKind.FOLDER


def test_a_package_of_which_a_file_beside_it_is_started_is_used_where_it_is(tmp_path: Path) -> None:
    files = {"pyproject.toml": BACKEND + NAMED, "shop/a.py": "", "shop/b.py": ""}
    found = project(tmp_path, files)
    assert (found.start, found.kind, found.imports) == (("python3", "/app/main.py"), ProjectKind.FOLDER, (".",))
    assert project(tmp_path, files, module="shop.a").kind is ProjectKind.PACKAGE
    site = {"web/manage.py": "", "web/site/__init__.py": "", "web/site/wsgi.py": ""}
    found = project(tmp_path, {**files, **site}, entrypoint=["gunicorn", "site.wsgi:application"])
    assert (found.kind, found.imports) == (ProjectKind.FOLDER, (".", "web"))


@pytest.mark.parametrize(
    ("requires", "python"), [("", "3.14"), (">=3.11", "3.14"), ("<3.14", "3.13"), ("==3.13.*", "3.13")]
)
def test_it_gets_a_python_that_it_is_for(tmp_path: Path, requires: str, python: str) -> None:
    text = NAMED + (f'requires-python = "{requires}"\n' if requires else "")
    assert project(tmp_path, {"pyproject.toml": text}).python == python


@pytest.mark.parametrize(
    ("text", "told", "said"),
    [
        (NAMED + 'requires-python = "<3.9"\n', {}, "4: the project is for Python <3.9, and bivy builds"),
        (NAMED + 'requires-python = "3.14 or so"\n', {}, "4: requires-python: '3.14 or so' does not say"),
        (NAMED + 'requires-python = "<3.14"\n', {"python": "3.14"}, "the project is not for Python 3.14: it requires"),
        (
            NAMED + '[project.scripts]\nshop = "shop.cil:main"\n',
            {},
            "5: the script shop: the project has no module 'shop.c",
        ),
        ('[project]\nversion = "1"\n', {}, "1: [project] has no name"),
        ('[project]\nversion = "1"\nname = "a b"\n', {}, "3: project.name has to be letters, digits"),
        ('[project]\nname = "a"\nversion = 1\n', {}, "3: project.version has to be a text"),
        (NAMED + "dependencies = { rich = 1 }\n", {}, "4: project.dependencies has to be a list of texts"),
        (NAMED + "authors = ['Ada']\n", {}, "4: project.authors has to be a list of tables"),
        (NAMED + "[project.scripts]\na = 1\n", {}, "4: project.scripts has to be a table of texts"),
        (NAMED + "[dependency-groups]\ndev = 'a'\n", {"groups": ["dev"]}, "5: dependency-groups.dev has to be a list"),
        ("tool = 3\n", {}, "1: tool has to be a table"),
        ("[tool]\npoetry = 3\n", {}, "2: tool.poetry has to be a table"),
        ("project = 3\n", {}, "1: project has to be a table"),
    ],
)
def test_a_wrong_pyproject_is_refused_with_its_line(
    tmp_path: Path, text: str, told: dict[str, object], said: str
) -> None:
    assert said in refusal(tmp_path, {"pyproject.toml": text, "shop/cli.py": ""}, **told)


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_files(tmp_path, {"old/setup.py": "", "a.txt": "", "old/setup.cfg": ""})
    for name, said in {
        "empty": "is no project: it has no pyproject.toml",
        "missing": "there is no such file or folder",
        "old": "says only in setup.py or setup.cfg what it is",
        "a.txt": "is no script",
    }.items():
        with pytest.raises(UsageError, match=said):
            read_project(tmp_path / name)


def test_extras_of_what_has_none_are_refused(tmp_path: Path) -> None:
    assert "no 'x' in [project.optional-dependencies]" in refusal(tmp_path, {"requirements.txt": ""}, extras=["x"])


def test_the_lock_of_a_workspace_is_that_of_its_members(tmp_path: Path) -> None:
    write_files(tmp_path, {"pyproject.toml": "[tool.uv.workspace]\nmembers = ['shop']\n", "uv.lock": ""})
    assert project(tmp_path / "shop", {"pyproject.toml": NAMED}).dependencies == "../uv.lock"
    assert project(tmp_path / "other", {"pyproject.toml": NAMED}).dependencies == "pyproject.toml"


POETRY = """
[tool.poetry]
name = "shop"
version = "2.0"
description = "Sells things"
authors = ["Ada <ada@example.org>"]
license = "MIT"
repository = "https://example.org/git"

[tool.poetry.dependencies]
python = "^3.12"
fastapi = { version = "^0.110", extras = ["standard"] }
numpy = { version = "*", optional = true }

[tool.poetry.extras]
big = ["numpy"]

[tool.poetry.group.jobs.dependencies]
rq = "*"

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""


def test_poetrys_own_table_is_read_as_far_as_it_says_the_same(tmp_path: Path) -> None:
    package = {"pyproject.toml": POETRY, "shop/__main__.py": ""}
    found = project(tmp_path, package, extras=["big"], groups=["jobs"])
    assert (found.name, found.version, found.kind, found.python) == ("shop", "2.0", ProjectKind.PACKAGE, "3.14")
    assert found.metadata.requires == ("fastapi[standard]", "numpy", "rq")
    assert found.metadata.authors == ("Ada",)
    assert labels_of(found)["org.opencontainers.image.source"] == "https://example.org/git"
    text = POETRY.replace('name = "shop"\n', "package-mode = false\n")
    found = project(tmp_path, {"pyproject.toml": text})
    assert (found.name, found.kind) == (tmp_path.name, ProjectKind.FOLDER)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^3.11", "3.14", "4.0"),
        ("~3.13", "3.13.2", "3.14"),
        (">=3.11,<3.14", "3.13", "3.14"),
        ("3.13.*", "3.13.5", "3.14"),
        (">=3.11 <3.13", "3.12", "3.13"),
        ("~=3.13", "3.14", "4"),
    ],
)
def test_constraints_of_poetrys_mean_what_they_mean_to_poetry(text: str, inside: str, outside: str) -> None:
    assert inside in SpecifierSet(poetry_constraint(text))
    assert outside not in SpecifierSet(poetry_constraint(text))


@given(st.text(alphabet="^~<>=!*|, .0123459x", max_size=16))
def test_constraints_that_cannot_be_said_otherwise_are_none(text: str) -> None:
    SpecifierSet(poetry_constraint(text))


@pytest.mark.parametrize(
    ("tool", "file", "content"),
    [
        ('[tool.hatch.version]\npath = "src/a/about.py"\n', "src/a/about.py", '__version__ = "1.5"'),
        ('[tool.hatch.version]\npath = "v.txt"\npattern = "v=(?P<version>.*)"\n', "v.txt", "x\nv=1.5\n"),
        ('[tool.setuptools.dynamic]\nversion = { attr = "shop.meta.v" }\n', "shop/meta.py", 'v: str = "1.5"'),
        ('[tool.setuptools.dynamic]\nversion = { attr = "shop.v" }\n', "src/shop/__init__.py", 'v = "1.5"'),
        ('[tool.setuptools.dynamic]\nversion = { file = ["V"] }\n', "V", "1.5\n"),
        ("[tool.setuptools]\n", "setup.cfg", "[metadata]\nversion = 1.5\n"),
        ('[tool.pdm.version]\nsource = "file"\npath = "x.py"\n', "x.py", '__version__ = "1.5"'),
        ("[tool.maturin]\n", "Cargo.toml", '[package]\nname = "shop"\nversion = "1.5"\n'),
        ('[tool.hatch.build.hooks.vcs]\nversion-file = "src/v.py"\n', "src/v.py", '__version__ = version = "1.5"'),
        ('[tool.poetry]\nversion = "1.5"\n', "x.py", ""),
        ("", "shop/__init__.py", '"""Shop."""\n__version__ = "1.5"'),
        ("", "shop.py", 'import sys\n__version__ = "1.5"'),
        ("", "PKG-INFO", "Metadata-Version: 2.4\nName: shop\nVersion: 1.5\n"),
    ],
)
def test_a_version_is_found_where_the_build_backend_finds_it(
    tmp_path: Path, tool: str, file: str, content: str
) -> None:
    text = f'{BACKEND}[project]\nname = "shop"\ndynamic = ["version"]\n{tool}'
    found = project(tmp_path, {"pyproject.toml": text, file: content})
    assert (found.version, found.notes) == ("1.5", ())


def test_a_version_that_setup_cfg_takes_from_a_module_is_found(tmp_path: Path) -> None:
    text = f'{BACKEND}[project]\nname = "shop"\ndynamic = ["version"]\n'
    files = {"setup.cfg": "[metadata]\nversion = attr: store.about.version\n", "store/about.py": 'version = "1.5"'}
    assert project(tmp_path, {"pyproject.toml": text, **files}).version == "1.5"


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"shop/__init__.py": '__version__ = compute()\nraise SystemExit("this is run")'},
        {"shop/__init__.py": "__version__ = 'not one'"},
        {"shop/__init__.py": "(" * 5000},
        {"setup.cfg": "metadata"},
        {"Cargo.toml": "="},
    ],
)
def test_a_version_that_only_the_build_knows_is_nothing_and_that_is_said(tmp_path: Path, files: dict[str, str]) -> None:
    tool = "[tool.maturin]\n[tool.hatch.version]\nsource = 'vcs'\npath = 'missing.py'\n"
    text = f'{BACKEND}[project]\nname = "shop"\ndynamic = ["version"]\n{tool}'
    found = project(tmp_path, {"pyproject.toml": text, **files})
    assert found.version == "0"
    assert "the version of shop is only known when it is built" in found.notes[0]


def test_a_version_is_never_read_from_outside_of_the_project(tmp_path: Path) -> None:
    write_files(tmp_path, {"outside.py": '__version__ = "6.6"'})
    tool = '[tool.hatch.version]\npath = "../outside.py"\n'
    text = f'{BACKEND}[project]\nname = "shop"\ndynamic = ["version"]\n{tool}'
    assert project(tmp_path / "shop", {"pyproject.toml": text}).version == "0"


def test_what_was_left_out_for_its_secrets_is_said(tmp_path: Path) -> None:
    notes = project(tmp_path, {"pyproject.toml": NAMED, ".env": "", "id_rsa": ""}).notes
    assert len(notes) == 1
    assert notes[0].startswith(".env, id_rsa were left out of the image, since they may hold secrets; ")
    assert 'exclude = ["!.env"] in [tool.bivy] would bring the first back' in notes[0]


@pytest.mark.parametrize(
    ("tool", "files", "imports"),
    [
        ("", {"shop/__init__.py": ""}, (".",)),
        ("", {"src/shop/__init__.py": ""}, ("src",)),
        ("", {"src/shop.py": ""}, ("src",)),
        ("", {"src/__init__.py": "", "src/web.py": ""}, (".",)),
        ('[tool.setuptools.packages.find]\nwhere = ["lib"]\n', {"lib/shop/a.py": ""}, ("lib",)),
        ('[tool.setuptools]\npackage-dir = { "" = "code" }\n', {"code/shop/a.py": ""}, ("code",)),
        ('[tool.hatch.build.targets.wheel]\npackages = ["a/shop", "b/till"]\n', {"a/shop/x.py": "", "b/till/x.py": ""},
         ("a", "b")),
        ('[tool.poetry]\npackages = [{ include = "shop", from = "py" }]\n', {"py/shop/a.py": ""}, ("py",)),
        ('[tool.maturin]\npython-source = "python"\n', {"python/shop/a.py": ""}, ("python",)),
        ('[tool.setuptools.packages.find]\nwhere = ["missing"]\n', {"shop/a.py": ""}, (".",)),
        ('[tool.setuptools.packages.find]\nwhere = 3\n[tool.pdm]\nbuild = 3\n', {"shop/a.py": ""}, (".",)),
    ],
)  # fmt: skip
def test_modules_are_imported_from_where_the_build_backend_says(
    tmp_path: Path, tool: str, files: dict[str, str], imports: tuple[str, ...]
) -> None:
    assert project(tmp_path, {"pyproject.toml": BACKEND + NAMED + tool, **files}).imports == imports


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.recursive(
        st.one_of(st.text(alphabet="ab1.", max_size=4), st.integers(0, 3), st.booleans()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2),
            st.dictionaries(
                st.sampled_from(["poetry", "bivy", "uv", "hatch", "setuptools", "version", "path", "name", "packages",
                                 "dependencies", "python", "dynamic", "extras", "group", "find", "where", "scripts"]),
                inner, max_size=3,
            ),
        ),
        max_leaves=8,
    ),
    st.booleans(),
)  # fmt: skip
def test_a_table_of_any_shape_is_read_or_refused(tmp_path: Path, tool: object, named: bool) -> None:
    project_table = '[project]\nname = "shop"\ndynamic = ["version"]\n' if named else ""
    write_files(tmp_path, {"pyproject.toml": f"tool = {_value(tool)}\n{project_table}", "main.py": ""})
    with contextlib.suppress(UsageError):  # any other fault fails the test
        read_project(tmp_path)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, int) else f'"{value}"'


def test_no_code_of_the_project_is_run(tmp_path: Path) -> None:
    trap = f'import pathlib\npathlib.Path("{tmp_path}/ran").touch()\n'
    files = {"main.py": trap, "setup.py": trap, "shop/__init__.py": trap, "shop/__main__.py": trap, "conftest.py": trap}
    project(tmp_path / "shop", {**files, "pyproject.toml": BACKEND + NAMED})
    assert not (tmp_path / "ran").exists()
