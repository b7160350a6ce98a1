"""What is said about an image: in [tool.bivy], in bivy.toml, in a script's comments, on the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.app.options import AppOptions
from bivy.app.project import read_project
from bivy.app.table import find_blocks
from bivy.errors import UsageError
from tests.app.projects import NAMED, write_files


def options(folder: Path, table: str, **told: object) -> AppOptions:
    write_files(folder, {"pyproject.toml": f"{NAMED}\n[tool.bivy]\n{table}", "main.py": "", "shop/work.py": ""})
    return read_project(folder, told).options


def refusal(folder: Path, table: str, **told: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        options(folder, table, **told)
    return caught.value


def test_everything_can_be_said(tmp_path: Path) -> None:
    table = """
name = "registry.example.org:5000/team/shop"
tag = "2024.1"
python = "3.13"
architectures = ["aarch64", "linux/amd64"]
packages = ["git", "tzdata>2020"]
module = "shop.work"
command = ["--help", ""]
environment = { LOG = "info" }
user = "1000:1000"
workdir = "/data"
ports = [8000, "53/udp"]
volumes = ["/data"]
labels = { team = "shop" }
exclude = ["docs/"]
"""
    said = options(tmp_path, table)
    assert said.architectures == ("aarch64", "linux/amd64")
    assert said.ports == (8000, "53/udp")
    assert said.environment == {"LOG": "info"}


def test_nothing_need_be_said(tmp_path: Path) -> None:
    assert options(tmp_path, "") == AppOptions()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('exclud = ["a"]', "6: unknown key `exclud`; is `exclude` meant?"),
        ('entrypoint = "uvicorn shop:app"', "6: entrypoint: this has to be a list, and is a text"),
        ("ports = [1.5]", "6: ports[0]: this has to be a whole number or a text, and is a number"),
        ('tag = "a"\nports = "80"', "7: ports: this has to be a list, and is a text"),
        ('ports = [\n "80",\n "http",\n]', "8: ports: 'http' is not a port, such as 8000 or 53/udp"),
        ("ports = [70000]", "6: ports: '70000' is not a port"),
        ('name = "Shop"', "6: name: 'Shop' is not the name of an image"),
        ('name = "shop:1"', "its tag is a key of its own"),
        ('tag = "1+local"', "6: tag: '1+local' is not a tag"),
        ('architectures = ["amd46"]', "6: architectures: unknown architecture 'amd46'; known are"),
        ('packages = ["git curl"]', "6: packages: 'git curl' is not a package"),
        ('extras = ["fast"]', "6: extras: the project has no 'fast' in [project.optional-dependencies]"),
        ('groups = ["dev"]', "6: groups: the project has no 'dev' in [dependency-groups]"),
        ('script = "shop"', "6: script: the project has no 'shop' in [project.scripts]"),
        ('module = "shop/work.py"', "6: module: 'shop/work.py' is not a module, such as shop.worker"),
        ('module = "shop.wrok"', "6: module: the project has no module 'shop.wrok'; is `shop.work` meant?"),
        ('entrypoint = ["python3", "/app/mian.py"]', "entrypoint: the project has no file 'mian.py'; is `main.py` mea"),
        ('entrypoint = ["uvicorn", "shop.web:app"]', "6: entrypoint: the project has no module 'shop.web'"),
        ('entrypoint = [""]', "6: entrypoint: the program that is started has no name"),
        ('module = "shop"\nentrypoint = ["shop"]', "only one of entrypoint and module can be what is started"),
        ('environment = { "A=B" = "c" }', "6: environment: 'A=B' is not the name of a variable"),
        ('user = "me and you"', "6: user: 'me and you' is not a user, such as 1000, 1000:1000 or nobody"),
        ('workdir = "data"', "6: workdir: 'data' is not a folder of the image's, such as /data"),
        ('volumes = ["/data/../etc"]', "6: volumes: '/data/../etc' is not a folder"),
        ('labels = { "a b" = "c" }', "6: labels: 'a b' is not the name of a label"),
        ('exclude = ["[z-a]"]', "6: exclude: '[z-a]' is not a pattern"),
        ('python = "3.14.1"', "6: python: '3.14.1' is not a minor version"),
        ('python = "3.7"', "6: python: bivy builds no Python 3.7"),
        ('base = "x:1"\npython = "3.14"', "7: python: `base` decides which Python there is"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_file_and_line(tmp_path: Path, table: str, said: str) -> None:
    fault = str(refusal(tmp_path, table))
    assert fault.startswith(f"{tmp_path / 'pyproject.toml'}:")
    assert said in fault


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"pyproject.toml": f'{NAMED}[tool]\nbivy = "shop"\n'})
    with pytest.raises(UsageError, match=r"pyproject.toml:5: \[tool.bivy\]: this has to be a table, and is a text"):
        read_project(tmp_path)


def test_the_command_line_goes_before_the_table(tmp_path: Path) -> None:
    table = 'tag = "a"\nports = [1]\nenvironment = { A = "1", B = "2" }\nmodule = "shop.work"\n'
    said = options(tmp_path, table, tag="b", ports=["2/udp"], environment={"B": "3"}, entrypoint=["sh"])
    assert (said.tag, said.ports, said.environment) == ("b", ("2/udp",), {"A": "1", "B": "3"})
    assert (said.module, said.entrypoint) == ("", ("sh",))


def test_what_is_wrong_on_the_command_line_is_said_to_be_there(tmp_path: Path) -> None:
    assert str(refusal(tmp_path, "ports = [1]", ports=["x"])).startswith("ports, on the command line: 'x' is not")
    assert str(refusal(tmp_path, "", extras=["x"])).startswith("extras, on the command line: the project has no 'x'")


def test_a_project_without_pyproject_says_it_in_a_file_of_its_own(tmp_path: Path) -> None:
    write_files(tmp_path, {"main.py": "", "bivy.toml": 'tag = "7"\n[environment]\nA = "1"\n'})
    project = read_project(tmp_path)
    assert (project.tag, project.options.environment) == ("7", {"A": "1"})
    write_files(tmp_path, {"bivy.toml": 'tag = "7"\ntga = "8"\n'})
    with pytest.raises(UsageError, match=r"bivy.toml:2: unknown key `tga`; is `tag` meant\?"):
        read_project(tmp_path)


def test_it_is_said_in_one_place_alone(tmp_path: Path) -> None:
    write_files(tmp_path, {"bivy.toml": 'tag = "7"\n', "main.py": ""})
    write_files(tmp_path, {"pyproject.toml": NAMED})
    assert read_project(tmp_path).tag == "7"
    write_files(tmp_path, {"pyproject.toml": f"{NAMED}[tool.bivy]\n"})
    with pytest.raises(UsageError, match=r"pyproject.toml:4: \[tool.bivy\] is here, and .*bivy.toml is there too"):
        read_project(tmp_path)


SCRIPT = """#!/usr/bin/env python3
# A job.

# /// script
# dependencies = ["rich"]
#
# [tool.bivy]
# tag = "5"
# ///

# /// other
# ///
print()
"""


def test_a_script_says_it_in_its_comments(tmp_path: Path) -> None:
    write_files(tmp_path, {"job.py": SCRIPT})
    project = read_project(tmp_path / "job.py")
    assert (project.tag, project.metadata.requires, project.dependencies) == ("5", ("rich",), "job.py")
    write_files(tmp_path, {"job.py": SCRIPT.replace("\n", "\r\n")})
    assert read_project(tmp_path / "job.py").tag == "5"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tag =", "tga =", r"job.py:8: unknown key `tga`; is `tag` meant\?"),
        ("dependencies = [", "dependencies = [1, ", r"job.py:5: dependencies has to be a list of texts"),
        ('["rich"]', '["rich"', r"job.py:\d+: this is not TOML"),
        ("# /// other\n", "# /// script\n# a = 1\n", r"job.py:11: the script says twice"),
        ("print()", "print()\n\n\n# /// script\n# a = 1\n# ///", r"job.py:16: the script says twice"),
        ('# dependencies = ["rich"]', '# requires-python = "<3"', r"job.py:5: the project is for Python <3, and bivy"),
        ('# dependencies = ["rich"]', '# requires-python = "new"', r"job.py:5: requires-python: 'new' does not say"),
    ],
)
def test_what_is_wrong_in_a_script_is_refused_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SCRIPT
    write_files(tmp_path, {"job.py": SCRIPT.replace(old, new, 1)})
    with pytest.raises(UsageError) as caught:
        read_project(tmp_path / "job.py")
    assert re.search(said, str(caught.value))


@given(st.lists(st.sampled_from(["# /// script", "# ///", "# a = 1", "#", "#b", "print()", ""]), max_size=9))
def test_a_block_is_what_the_specification_says(lines: list[str]) -> None:
    # PEP 723: from its first line on, comments alone, up to the last line among them that ends a block; not empty.
    expected, number = [], 0
    while number < len(lines):
        comments = number + 1
        while comments < len(lines) and re.fullmatch(r"#( .*)?", lines[comments]):
            comments += 1
        ends = [each for each in range(number + 1, comments) if lines[each] == "# ///"]
        if lines[number] == "# /// script" and ends:
            expected.append((number + 1, ends[-1]))
            number = ends[-1]
        number += 1
    assert [(block.start, block.stop) for block in find_blocks(lines)] == expected
