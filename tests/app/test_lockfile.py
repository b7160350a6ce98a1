"""What was resolved is written down in the form of PEP 751, and read again as the same."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from bivy.app.dependencies import Asking, Pinned, pin_dependencies
from bivy.app.lockfile import check_lockable, format_lock, write_lock
from bivy.app.project import read_project
from bivy.arch import ARCHES
from bivy.errors import BivyError, UsageError
from bivy.musl.target import make_target
from bivy.progress import Silent
from tests.musl.dependencies.shelf import Shelf, serve_shelf

TARGET = make_target("3.14", ARCHES["x86_64"], "1.2.6")
ARM = make_target("3.14", ARCHES["aarch64"], "1.2.6")
TOLD = {"entrypoint": ["python3", "main.py"]}


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serve_shelf() as shelf:
        yield shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    (place / "main.py").write_text("print(1)\n")
    (place / "requirements.txt").write_text("app\n")
    return place


def pin(folder: Path, shelf: Shelf, tmp_path: Path, target: object = TARGET) -> tuple[Pinned, ...]:
    asking = Asking(tmp_path / "cache", Silent(), index=shelf.address)
    return pin_dependencies(read_project(folder, TOLD), target, asking)  # type: ignore[arg-type]


def test_what_was_written_is_read_again_as_the_same_wheels(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0", requires=["fast"])
    for machine in ("x86_64", "aarch64"):
        shelf.wheel("fast", "2.0", f"cp314-cp314-musllinux_1_2_{machine}")
    before = {target: pin(folder, shelf, tmp_path, target) for target in (TARGET, ARM)}
    write_lock(read_project(folder, TOLD), before)
    shelf.wheel("app", "3.0")
    for target, pinned in before.items():
        after = pin(folder, shelf, tmp_path, target)
        assert [(each.file, each.url, each.sha256) for each in after] == [
            (each.file, each.url, each.sha256) for each in pinned
        ]


def test_it_is_a_lock_as_the_specification_has_it(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0", requires=["only-here; platform_machine == 'x86_64'"])
    shelf.wheel("only-here", "1.0")
    pinned = {target: pin(folder, shelf, tmp_path, target) for target in (TARGET, ARM)}
    lock = Pylock.from_dict(tomllib.loads(format_lock(pinned, folder)))
    markers = {each.name: str(each.marker or "") for each in lock.packages}
    assert markers == {"app": "", "only-here": 'platform_machine == "x86_64"'}
    assert all(each.wheels and each.wheels[0].hashes["sha256"] for each in lock.packages)
    assert format_lock(pinned, folder) == format_lock(dict(reversed(pinned.items())), folder)


def test_a_lock_that_is_older_than_the_requirements_is_refused(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0")
    write_lock(read_project(folder, TOLD), {TARGET: pin(folder, shelf, tmp_path)})
    (folder / "requirements.txt").write_text("app\nother\n")
    with pytest.raises(BivyError, match=r"pylock\.toml does not match the project: it does not have other"):
        pin(folder, shelf, tmp_path)


def test_a_wheel_on_this_machine_is_named_by_its_path_with_its_digest(folder: Path, tmp_path: Path) -> None:
    from tests.app.making import pinned, wheel

    path = wheel(tmp_path / "wheels", "app", "1.0", {"app.py": ""})
    table = tomllib.loads(format_lock({TARGET: [pinned(path)]}, folder))
    assert table["packages"][0]["wheels"][0]["path"] == "../wheels/app-1.0-py3-none-any.whl"


def test_what_has_a_lock_gets_no_other_one(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("app", "1.0")
    check_lockable(read_project(folder, TOLD))
    write_lock(read_project(folder, TOLD), {TARGET: pin(folder, shelf, tmp_path)})
    with pytest.raises(UsageError, match=r"has a lock already: pylock\.toml"):
        check_lockable(read_project(folder, TOLD))


def test_what_depends_on_nothing_has_nothing_to_lock(folder: Path) -> None:
    (folder / "requirements.txt").unlink()
    with pytest.raises(UsageError, match="depends on nothing"):
        check_lockable(read_project(folder, TOLD))
