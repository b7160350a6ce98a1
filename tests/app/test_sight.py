"""What a project looks like, and what changed in it, by the rules by which its image is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.app.sight import look_at, spell_changes, with_beside
from tests.app.projects import write_files


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_files(tmp_path / "shop", {"main.py": "", "shop/a.py": "", ".gitignore": "*.log\n", "notes/a.txt": "",
                                           "pyproject.toml": '[tool.bivy]\nexclude = ["/notes/"]\n'})  # fmt: skip


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("main.py", "main.py changed"),
        ("shop/new.py", "shop/new.py added"),
        ("pyproject.toml", "pyproject.toml changed"),
    ],
)
def test_a_change_is_seen_and_named(project: Path, path: str, said: str) -> None:
    before = look_at(project, {})
    write_files(project, {path: '# changed\n[tool.bivy]\nexclude = ["/notes/"]\n'})
    now = look_at(project, {}, before)
    assert now.differs(before)
    assert spell_changes(before, now) == said


@pytest.mark.parametrize(
    "path", ["a.log", "shop/b.log", "notes/a.txt", "dist/x.whl", ".git/HEAD", "shop/__pycache__/a.pyc", ".env",
             ".venv/x.py", "bom.json", "bom-arm64.json"]
)  # fmt: skip
def test_what_stays_out_of_the_image_is_not_seen(project: Path, path: str) -> None:
    before = look_at(project, {}, None, project / "bom.json")
    write_files(project, {path: "changed"})
    assert not look_at(project, {}, before, project / "bom.json").differs(before)


def test_folders_that_nothing_of_the_project_can_be_in_are_not_watched(project: Path) -> None:
    write_files(project, {"node_modules/a/b.js": "", "out/oci-layout": "{}"})
    (project / "empty").mkdir()
    folders = {path.relative_to(project).as_posix() for path in look_at(project, {}).folders}
    assert folders == {".", "shop", "empty"}


def test_what_says_what_the_project_is_counts_even_where_it_is_left_out(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.bivy]\nexclude = ["/pyproject.toml"]\n')
    before = look_at(project, {})
    (project / "pyproject.toml").write_text('[tool.bivy]\nexclude = ["/pyproject.toml"]\nname = "other"\n')
    assert look_at(project, {}, before).differs(before)


def test_options_that_cannot_be_read_leave_out_what_was_left_out_before(project: Path) -> None:
    before = look_at(project, {})
    (project / "pyproject.toml").write_text("this is no TOML")
    broken = look_at(project, {}, before)
    assert broken.differs(before)
    write_files(project, {"notes/b.txt": ""})
    assert not look_at(project, {}, broken).differs(broken)


def test_a_file_that_no_image_can_hold_is_a_state_of_its_own(project: Path) -> None:
    before = look_at(project, {})
    (project / "link").symlink_to("/etc/passwd")
    wrong = look_at(project, {}, before)
    assert wrong.differs(before)
    assert "link out of the project" in wrong.fault
    (project / "link").unlink()
    assert not look_at(project, {}, wrong).differs(before)


def test_a_script_is_itself_and_its_lock(tmp_path: Path) -> None:
    write_files(tmp_path, {"job.py": "", "other.py": ""})
    before = look_at(tmp_path / "job.py", {})
    assert before.folders == {tmp_path}
    write_files(tmp_path, {"other.py": "changed"})
    assert not look_at(tmp_path / "job.py", {}, before).differs(before)
    write_files(tmp_path, {"job.py.lock": ""})
    assert spell_changes(before, look_at(tmp_path / "job.py", {}, before)) == "job.py.lock added"


def test_a_project_is_meant_by_its_pyproject_toml_too(project: Path) -> None:
    assert look_at(project / "pyproject.toml", {}) == look_at(project, {})


def test_what_lies_beside_the_project_is_seen_by_the_same_rules(project: Path, tmp_path: Path) -> None:
    library = write_files(tmp_path / "lib", {"lib.py": "", ".git/HEAD": ""})
    lock = tmp_path / "uv.lock"
    beside = (str(library), str(lock))
    before = with_beside(look_at(project, {}), beside)
    assert {library, tmp_path} <= before.folders
    write_files(library, {".git/HEAD": "changed"})
    assert not with_beside(look_at(project, {}), beside).differs(before)
    write_files(library, {"lib.py": "changed"})
    now = with_beside(look_at(project, {}), beside)
    assert spell_changes(before, now) == f"{library}/lib.py changed"
    lock.write_text("")
    assert with_beside(look_at(project, {}), beside).differs(now)
