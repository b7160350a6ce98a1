from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.musl.dependencies.lock import Locked, Origin, Repository, reach
from bivy.musl.dependencies.pylock import parse_pylock, read_pylock
from bivy.musl.dependencies.uvlock import PLAIN, Wanted
from tests.musl.dependencies.conftest import target

LOCK = """
lock-version = "1.0"
created-by = "a test"
extras = ["docs"]
dependency-groups = ["dev"]
default-groups = ["base"]

[[packages]]
name = "six"
version = "1.17.0"
marker = "platform_machine == 'x86_64'"
[[packages.wheels]]
url = "https://example.org/six-1.17.0-py3-none-any.whl"
hashes = { sha256 = "00" }

[[packages]]
name = "web"
version = "2.0"
dependencies = [{ name = "six" }]
sdist = { url = "https://example.org/web-2.0.tar.gz", hashes = { sha256 = "00" } }

[[packages]]
name = "sphinx"
version = "8"
marker = "'docs' in extras"
sdist = { url = "https://example.org/sphinx-8.tar.gz", hashes = { sha256 = "00" } }

[[packages]]
name = "base"
marker = "'base' in dependency_groups"
vcs = { type = "git", url = "https://example.org/base", commit-id = "abc" }

[[packages]]
name = "single"
archive = { url = "https://example.org/single-1-py3-none-any.whl", hashes = { sha256 = "00" } }
"""


def names(arch: str = "x86_64", wanted: Wanted = PLAIN) -> list[str]:
    return [each.package.name for each in reach(parse_pylock(LOCK, "pylock.toml", wanted), target(arch))]


def test_markers_extras_and_default_groups_decide_what_is_installed() -> None:
    assert names() == ["six", "web", "base", "single"]
    assert names("aarch64") == ["web", "base", "single"]
    assert names(wanted=Wanted(extras=frozenset({"docs"}))) == ["six", "web", "sphinx", "base", "single"]


def test_files_origins_and_who_requires_whom_are_read() -> None:
    reached = {each.package.name: each for each in reach(parse_pylock(LOCK, "pylock.toml"), target())}
    assert reached["web"].requires == ("six",)
    assert reached["web"].asked
    assert not reached["six"].asked
    assert reached["base"].package.origin is Origin.GIT
    assert reached["single"].package.files[0].name == "single-1-py3-none-any.whl"


def placed(table: str) -> Locked:
    text = f'lock-version = "1.0"\ncreated-by = "t"\n[[packages]]\nname = "a"\n[packages.{table}'
    return parse_pylock(text, "pylock.toml", folder=Path("/here")).packages[0]


def test_folders_commits_and_archives_are_read() -> None:
    folder = placed('directory]\npath = "../lib"\nsubdirectory = "p"\n')
    assert (folder.origin, folder.folder) == (Origin.FOLDER, Path("/lib/p"))
    commit = placed('vcs]\ntype = "git"\nurl = "https://x.org/a"\ncommit-id = "abc"\nrequested-revision = "v1"\n')
    assert commit.repository == Repository("https://x.org/a", "abc", "v1")
    here = placed('vcs]\ntype = "git"\npath = "a"\ncommit-id = "abc"\nsubdirectory = "p"\n')
    assert here.repository == Repository("file:///here/a", "abc", "", "p")
    archive = placed('archive]\npath = "a.tar.gz"\nsubdirectory = "p"\nhashes = {sha256 = "00"}\n')
    assert (archive.origin, archive.subdirectory) == (Origin.PATH, "p")


def test_a_repository_of_another_program_is_refused() -> None:
    with pytest.raises(BivyError, match="a comes from a repository of hg"):
        placed('vcs]\ntype = "hg"\nurl = "https://x.org/a"\ncommit-id = "abc"\n')


def test_a_later_version_one_is_read_and_a_version_two_is_named() -> None:
    assert parse_pylock(LOCK.replace('"1.0"', '"1.7"', 1), "pylock.toml").packages
    with pytest.raises(BivyError, match=r"version 2\.0 of the lock format, and bivy reads version 1"):
        parse_pylock(LOCK.replace('"1.0"', '"2.0"', 1), "pylock.toml")


@pytest.mark.parametrize("text", ["", "nonsense", "lock-version = 1", 'lock-version = "1.0"', "x = " + "[" * 5000])
def test_what_is_no_lock_is_refused(text: str) -> None:
    with pytest.raises(BivyError):
        parse_pylock(text, "pylock.toml")


def test_a_lock_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match="cannot be read"):
        read_pylock(tmp_path / "pylock.toml")


@given(st.integers(0, len(LOCK)), st.integers(0, 60), st.sampled_from(["", "3", "[", "'", "{}", "\n", "\x00", "true"]))
def test_a_damaged_lock_is_read_or_refused(start: int, length: int, instead: str) -> None:
    try:
        lock = parse_pylock(LOCK[:start] + instead + LOCK[start + length :], "pylock.toml")
    except BivyError:
        return
    reach(lock, target())
