from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bivy.errors import BivyError
from bivy.musl.dependencies import (
    Terms,
    ask_project,
    ask_requirements,
    ask_requirements_file,
    ask_requires_dist,
    check_distributions,
    read_lock,
)
from tests.musl.dependencies.shelf import Shelf


def names(folder: Path, terms: Terms) -> dict[str, str]:
    resolution = ask_project(folder, terms)
    part = check_distributions(resolution, terms.targets, cache=terms.cache)
    return {each.name: each.version for each in part.distributions}


@pytest.fixture
def project(shelf: Shelf, tmp_path: Path) -> Path:
    for name in ("top", "below", "tool", "extra", "inner"):
        shelf.wheel(name, "1.0")
        shelf.wheel(name, "2.0")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        """
[project]
name = "App"
version = "1"
dependencies = ["top"]
[project.optional-dependencies]
docs = ["extra", "app[inner]"]
inner = ["inner"]
[dependency-groups]
dev = ["tool", { include-group = "test" }]
test = ["below"]
[tool.uv]
constraint-dependencies = ["top<2"]
"""
    )
    return folder


def test_a_projects_dependencies_are_resolved_with_its_settings(
    project: Path, make_terms: Callable[..., Terms]
) -> None:
    assert names(project, make_terms()) == {"top": "1.0"}


def test_extras_and_groups_are_added_where_they_are_wanted(project: Path, make_terms: Callable[..., Terms]) -> None:
    assert names(project, make_terms(extras=frozenset({"docs"}))) == {"top": "1.0", "extra": "2.0", "inner": "2.0"}
    assert names(project, make_terms(groups=frozenset({"dev"}))) == {"top": "1.0", "tool": "2.0", "below": "2.0"}
    assert len(names(project, make_terms(every=True))) == 5


def test_a_lock_comes_before_what_it_was_made_from(project: Path, make_terms: Callable[..., Terms]) -> None:
    lock = """
version = 1
[[package]]
name = "app"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "top" }]
[[package]]
name = "top"
version = "0.5"
source = { registry = "https://example.org/simple" }
wheels = [{ url = "https://example.org/top-0.5-py3-none-any.whl" }]
"""
    (project / "uv.lock").write_text(lock)
    assert names(project, make_terms()) == {"top": "0.5"}
    assert read_lock(project / "uv.lock", make_terms()).lock.packages[1].version == "0.5"


def test_a_lock_of_a_newer_format_is_a_problem_and_the_project_is_looked_at(
    project: Path, make_terms: Callable[..., Terms]
) -> None:
    (project / "uv.lock").write_text("version = 9")
    resolution = ask_project(project, make_terms())
    assert [each.version for each in resolution.lock.packages] == ["1.0"]
    assert "version 9 of uv's lock format" in resolution.problems[0].message


def test_an_index_in_the_projects_settings_is_asked(
    project: Path, shelf: Shelf, make_terms: Callable[..., Terms], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    (project / "uv.toml").write_text(f'[[index]]\nurl = "{shelf.address}"\ndefault = true\n')
    assert names(project, make_terms()) == {"top": "1.0"}


def test_requirements_are_read_where_there_is_no_other(
    shelf: Shelf, tmp_path: Path, make_terms: Callable[..., Terms]
) -> None:
    shelf.wheel("top", "1.0")
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    (tmp_path / "requirements.txt").write_text("top\n!\n")
    terms = make_terms()
    assert names(tmp_path, terms) == {"top": "1.0"}
    asked = ask_requirements_file(tmp_path / "requirements.txt", terms)
    assert asked.problems[0].subject == f"{tmp_path / 'requirements.txt'}, line 2"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("setup.py", "", "only in setup.py or setup.cfg"),
        ("README", "", "has no uv.lock, pylock.toml, pyproject.toml or requirements.txt"),
        ("pyproject.toml", "nonsense", "not in the form of a pyproject.toml"),
        ("pyproject.toml", "project = 3", "not laid out as a pyproject.toml"),
        ("pyproject.toml", "[tool.poetry.dependencies]\nsix = '*'", "in Poetry's own form"),
        ("pylock.toml", "lock-version = '2.0'", "version 2.0 of the lock format"),
    ],
)
def test_a_folder_that_does_not_say_what_it_needs_is_refused_with_a_reason(
    tmp_path: Path, make_terms: Callable[..., Terms], name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BivyError, match=message):
        ask_project(tmp_path, make_terms())


def test_what_comes_from_a_repository_or_a_folder_is_not_looked_for_in_the_index(
    shelf: Shelf, tmp_path: Path, make_terms: Callable[..., Terms]
) -> None:
    shelf.wheel("top", "1.0")
    shelf.wheel("forked", "1.0")
    (tmp_path / "pyproject.toml").write_text(
        """
[project]
name = "app"
version = "1"
dependencies = ["top", "forked>=2", "beside", "there @ git+https://me:secret@127.0.0.1:1/there"]
[tool.uv.sources]
forked = { git = "https://127.0.0.1:1/forked" }
beside = { workspace = true }
"""
    )
    terms = make_terms()
    resolution = ask_project(tmp_path, terms)
    part = check_distributions(resolution, terms.targets, cache=terms.cache)
    assert {each.name: str(each.verdict) for each in part.distributions} == {
        "top": "pure", "forked": "unknown", "beside": "unknown", "there": "unknown",
    }  # fmt: skip
    assert part.problems == ()
    why = {each.name: each.why for each in part.distributions}
    assert why["forked"] == "It comes from a git repository, which was not looked into: git+https://127.0.0.1:1/forked."
    assert "secret" not in why["there"]


def test_what_a_file_requires_is_resolved_with_the_extras_that_are_asked_for(
    shelf: Shelf, make_terms: Callable[..., Terms]
) -> None:
    for name in ("always", "docs", "other"):
        shelf.wheel(name, "1.0")
    requires = ["always", "docs>=1; extra == 'docs'", "other; extra == 'other'", "!"]
    resolution = ask_requires_dist(requires, ["docs"], make_terms())
    assert {each.name for each in resolution.lock.packages} == {"always", "docs"}
    assert [each.subject for each in resolution.problems] == ["!"]


def test_the_address_of_a_wheel_is_read(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    address = shelf.wheel("direct", "1.0", "cp314-cp314-musllinux_1_2_x86_64", ["below"])
    shelf.wheel("below", "1.0")
    terms = make_terms()
    part = check_distributions(ask_requirements([f"direct @ {address}"], terms), terms.targets, cache=terms.cache)
    assert {each.name: str(each.verdict) for each in part.distributions} == {"direct": "musllinux", "below": "pure"}


def test_places_in_uvs_settings_keep_extras_markers_and_revisions(tmp_path: Path) -> None:
    from bivy.musl.dependencies.ask import _from_sources

    sources = {
        "Lib": {"git": "https://x.org/lib", "tag": "v1", "subdirectory": "p"},
        "two": [{"path": "a", "marker": "os_name == 'posix'"}, {"url": "https://x.org/two.zip"}],
        "three": {"index": "inner"},
    }
    found = [*_from_sources(["lib[x]>=1", "two; python_version > '3'", "three>=2"], sources, tmp_path, strict=True)]
    assert found == [
        "lib[x] @ git+https://x.org/lib@v1#subdirectory=p",
        f"two @ {tmp_path.as_uri()}/a ; (python_version > \"3\") and (os_name == 'posix')",
        'two @ https://x.org/two.zip ; (python_version > "3")',
        "three>=2",
    ]
