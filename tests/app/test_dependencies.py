"""What a project depends on becomes wheels for a target, as its lock says or as an index has it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from bivy.app.dependencies import Asking, pin_dependencies
from bivy.app.project import read_project
from bivy.arch import ARCHES
from bivy.errors import BivyError
from bivy.musl.target import make_target
from bivy.progress import Lines, Silent
from tests.musl.dependencies.shelf import Shelf, serve_shelf

TARGET = make_target("3.14", ARCHES["x86_64"], "1.2.6")
ARM = make_target("3.14", ARCHES["aarch64"], "1.2.6")


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serve_shelf() as shelf:
        yield shelf


def project(tmp_path: Path, requirements: str) -> Path:
    folder = tmp_path / "project"
    folder.mkdir(exist_ok=True)
    (folder / "main.py").write_text("print(1)\n")
    (folder / "requirements.txt").write_text(requirements)
    return folder


def pin(folder: Path, shelf: Shelf, tmp_path: Path, target: object = TARGET, **more: object) -> dict[str, str]:
    asking = Asking(tmp_path / "cache", Silent(), index=shelf.address, **more)  # type: ignore[arg-type]
    told = {"entrypoint": ["python3", "main.py"]}
    found = pin_dependencies(read_project(folder, told), target, asking)  # type: ignore[arg-type]
    return {each.name: each.file for each in found}


def test_requirements_are_resolved_for_the_target(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0", requires=["fast"])
    for tags in ("cp314-cp314-musllinux_1_2_x86_64", "cp314-cp314-musllinux_1_2_aarch64",
                 "cp314-cp314-manylinux_2_28_x86_64"):  # fmt: skip
        shelf.wheel("fast", "2.0", tags)
    folder = project(tmp_path, "app\n")
    assert pin(folder, shelf, tmp_path)["fast"] == "fast-2.0-cp314-cp314-musllinux_1_2_x86_64.whl"
    assert pin(folder, shelf, tmp_path, ARM)["fast"] == "fast-2.0-cp314-cp314-musllinux_1_2_aarch64.whl"


def test_what_was_resolved_is_kept_until_something_changes_or_is_asked_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0")
    folder = project(tmp_path, "app\n")
    assert pin(folder, shelf, tmp_path) == {"app": "app-1.0-py3-none-any.whl"}
    shelf.wheel("app", "1.1")
    shelf.asked.clear()
    assert pin(folder, shelf, tmp_path) == {"app": "app-1.0-py3-none-any.whl"}
    assert shelf.asked == []
    (folder / "requirements.txt").write_text("app>=1.1\n")
    assert pin(folder, shelf, tmp_path) == {"app": "app-1.1-py3-none-any.whl"}


def test_a_requirements_file_that_another_one_names_counts(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0")
    shelf.wheel("app", "2.0")
    folder = project(tmp_path, "-r more.txt\n")
    (folder / "more.txt").write_text("app<2\n")
    assert pin(folder, shelf, tmp_path) == {"app": "app-1.0-py3-none-any.whl"}
    (folder / "more.txt").write_text("app\n")
    assert pin(folder, shelf, tmp_path) == {"app": "app-2.0-py3-none-any.whl"}


def test_only_files_with_a_digest_of_the_requirements_file_are_taken(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0")
    digest = hashlib.sha256(shelf.projects["app"][0].content).hexdigest()
    good = project(tmp_path, f"app==1.0 \\\n    --hash=sha256:{digest}\n")
    assert pin(good, shelf, tmp_path) == {"app": "app-1.0-py3-none-any.whl"}
    bad = project(tmp_path, f"app==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(BivyError, match=r"no file of app 1\.0 has a digest"):
        pin(bad, shelf, tmp_path)


def test_something_without_a_digest_among_some_with_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0", requires=["other"])
    shelf.wheel("other", "1.0")
    digest = hashlib.sha256(shelf.projects["app"][0].content).hexdigest()
    with pytest.raises(BivyError, match=r"no digest .* other"):
        pin(project(tmp_path, f"app==1.0 --hash=sha256:{digest}\n"), shelf, tmp_path)


def test_a_distribution_that_does_not_exist_is_named(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(BivyError, match="nothing-like-it cannot be had"):
        pin(project(tmp_path, "nothing-like-it\n"), shelf, tmp_path)


def test_a_version_that_was_withdrawn_is_not_taken(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0")
    shelf.wheel("app", "1.1", yanked=True)
    assert pin(project(tmp_path, "app\n"), shelf, tmp_path) == {"app": "app-1.0-py3-none-any.whl"}


def test_what_has_no_wheel_says_how_to_compile_it(shelf: Shelf, tmp_path: Path) -> None:
    shelf.sdist("fast", "1.0", {"setup.py": "", "fast.c": "int x;"})
    with pytest.raises(BivyError, match=r"fast==1\.0 has no wheel for Python 3\.14 on x86_64") as fault:
        pin(project(tmp_path, "fast\n"), shelf, tmp_path)
    assert "bivy wheel fast==1.0" in (fault.value.hint or "")


def test_a_wheel_that_was_compiled_before_counts(shelf: Shelf, tmp_path: Path) -> None:
    from tests.app.making import wheel

    shelf.sdist("fast", "1.0", {"setup.py": "", "fast.c": "int x;"})
    built = wheel(tmp_path / "cache" / "wheels", "fast", "1.0", {"fast.py": ""},
                  tags="cp314-cp314-musllinux_1_2_x86_64")  # fmt: skip
    assert pin(project(tmp_path, "fast\n"), shelf, tmp_path) == {"fast": built.name}


def test_what_has_neither_wheel_nor_source_is_impossible(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0", "cp314-cp314-win_amd64")
    with pytest.raises(BivyError, match=r"app 1\.0: It cannot be installed: no wheel fits.*Windows"):
        pin(project(tmp_path, "app\n"), shelf, tmp_path)


LOCK = """\
version = 1
requires-python = ">=3.13"

[[package]]
name = "app"
version = "1.0"
source = {{ registry = "{index}" }}
wheels = [{{ url = "{url}", hash = "sha256:{digest}" }}]

[[package]]
name = "mine"
version = "1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "app" }}]
"""


def locked(tmp_path: Path, shelf: Shelf, requires: str) -> Path:
    url = shelf.wheel("app", "1.0")
    digest = hashlib.sha256(shelf.projects["app"][0].content).hexdigest()
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "main.py").write_text("print(1)\n")
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "mine"\nversion = "1.0"\ndependencies = ["{requires}"]\n'
    )
    (folder / "uv.lock").write_text(LOCK.format(index=shelf.address, url=url, digest=digest))
    return folder


def test_a_lock_is_obeyed_though_there_is_something_newer(shelf: Shelf, tmp_path: Path) -> None:
    folder = locked(tmp_path, shelf, "app")
    shelf.wheel("app", "2.0")
    assert pin(folder, shelf, tmp_path) == {"app": "app-1.0-py3-none-any.whl"}
    assert shelf.asked == []


@pytest.mark.parametrize(("requires", "said"), [("app>=2", "it has app 1.0"), ("other", "it does not have other")])
def test_a_lock_that_is_not_for_the_project_is_refused(shelf: Shelf, tmp_path: Path, requires: str, said: str) -> None:
    with pytest.raises(BivyError, match=rf"uv\.lock does not match the project: {said}"):
        pin(locked(tmp_path, shelf, requires), shelf, tmp_path)


def test_a_lock_that_cannot_be_read_is_not_passed_over(shelf: Shelf, tmp_path: Path) -> None:
    folder = locked(tmp_path, shelf, "app")
    (folder / "uv.lock").write_text("version = 99\n")
    with pytest.raises(BivyError, match=r"uv\.lock"):
        pin(folder, shelf, tmp_path)


def test_progress_is_told_of_a_resolution(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0")
    said = io.StringIO()
    asking = Asking(tmp_path / "cache", Lines(said), index=shelf.address)
    told = {"entrypoint": ["python3", "main.py"]}
    pin_dependencies(read_project(project(tmp_path, "app\n"), told), TARGET, asking)
    assert "resolve requirements.txt: done" in said.getvalue()
