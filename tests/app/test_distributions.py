"""Distributions become layers: the large ones one each, the others one together, and none in another's place."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from bivy.app.distributions import LARGE, Component, dependency_layers
from bivy.app.layers import Kept
from bivy.errors import BivyError
from bivy.progress import Lines
from tests.app.making import SITE, pinned, wheel, workplace


def titles(kept: tuple[Kept, ...]) -> list[str]:
    return [each.created_by.removeprefix("bivy app: ") for each in kept]


def test_large_distributions_have_layers_of_their_own_below_the_others(tmp_path: Path) -> None:
    large = wheel(tmp_path / "w", "large", "1.0", {"large/data.bin": bytes(LARGE + 1)})
    small = wheel(tmp_path / "w", "a-small", "2.0", {"small.py": ""})
    tiny = wheel(tmp_path / "w", "tiny", "3.0", {"tiny.py": ""})
    kept = dependency_layers([pinned(small), pinned(large), pinned(tiny)], workplace(tmp_path))
    assert titles(kept) == ["large 1.0", "a-small 2.0, tiny 3.0"]


def test_no_dependencies_make_no_layer(tmp_path: Path) -> None:
    assert dependency_layers([], workplace(tmp_path)) == ()


def test_an_upgrade_of_one_leaves_the_layers_of_the_large_ones(tmp_path: Path) -> None:
    large = wheel(tmp_path / "w", "large", "1.0", {"large/data.bin": bytes(LARGE + 1)})
    old, new = (wheel(tmp_path / "w", "small", version, {"small.py": version}) for version in ("1.0", "2.0"))
    before = dependency_layers([pinned(large), pinned(old)], workplace(tmp_path))
    after = dependency_layers([pinned(large), pinned(new)], workplace(tmp_path))
    assert before[0] == after[0]
    assert before[1].digest != after[1].digest


def test_what_was_made_is_found_again_without_the_wheels(tmp_path: Path) -> None:
    at = workplace(tmp_path)
    path = wheel(tmp_path / "w", "small", "1.0", {"small.py": ""})
    one = msgspec.structs.replace(pinned(path), url="https://example.org/small.whl", sha256="0" * 64)
    with pytest.raises(BivyError):
        dependency_layers([one], at)
    two = pinned(path)
    assert dependency_layers([two], at) == dependency_layers([two], at)


def test_a_file_that_two_wheels_have_differently_is_refused(tmp_path: Path) -> None:
    first = wheel(tmp_path / "w", "first", "1.0", {"shared/x.py": "a = 1"})
    second = wheel(tmp_path / "w", "second", "1.0", {"shared/x.py": "a = 2"})
    with pytest.raises(BivyError, match=rf"/{SITE}/shared/x\.py is in two distributions.*first 1\.0 and second 1\.0"):
        dependency_layers([pinned(first), pinned(second)], workplace(tmp_path))


def test_a_file_that_two_wheels_have_alike_is_there_once(tmp_path: Path) -> None:
    first = wheel(tmp_path / "w", "first", "1.0", {"shared/x.py": "a = 1"})
    second = wheel(tmp_path / "w", "second", "1.0", {"shared/x.py": "a = 1"})
    (kept,) = dependency_layers([pinned(first), pinned(second)], workplace(tmp_path))
    assert kept.paths.count(f"{SITE}/shared/x.py") == 1


def test_tests_that_two_wheels_bring_along_by_mistake_are_told_and_passed_over(tmp_path: Path) -> None:
    first = wheel(tmp_path / "w", "first", "1.0", {"tests/__init__.py": "a = 1"})
    second = wheel(tmp_path / "w", "second", "1.0", {"tests/__init__.py": "a = 2"})
    said = io.StringIO()
    at = dataclasses.replace(workplace(tmp_path), progress=Lines(said))
    (kept,) = dependency_layers([pinned(first), pinned(second)], at)
    assert f"{SITE}/tests/__init__.py" in kept.paths
    assert "that of first 1.0 is taken" in said.getvalue()


def test_a_program_of_the_base_s_is_not_replaced(tmp_path: Path) -> None:
    path = wheel(tmp_path / "w", "evil", "1.0", {"evil-1.0.data/scripts/python3": "#!/bin/sh\n"})
    with pytest.raises(BivyError, match="/usr/local/bin/python3, which the base has already"):
        dependency_layers([pinned(path)], workplace(tmp_path))


def test_another_version_of_what_the_base_has_hides_the_base_s(tmp_path: Path) -> None:
    at = workplace(tmp_path)
    (kept,) = dependency_layers([pinned(wheel(tmp_path / "w", "pip", "27.0", {"pip/__init__.py": "new"}))], at)
    with tarfile.open(at.store.blob(kept.digest)) as archive:
        names = archive.getnames()
    assert f"{SITE}/.wh.pip-26.0.dist-info" in names
    assert f"{SITE}/pip/.wh..wh..opq" in names


def test_what_is_for_another_python_is_refused(tmp_path: Path) -> None:
    metadata = "Metadata-Version: 2.4\nName: old\nVersion: 1.0\nRequires-Python: >=3.8,<3.13\n"
    path = wheel(tmp_path / "w", "old", "1.0", {"old.py": "", "old-1.0.dist-info/METADATA": metadata})
    with pytest.raises(BivyError, match=r"old 1\.0 is not for Python 3\.14: it requires"):
        dependency_layers([pinned(path)], workplace(tmp_path))


def test_each_layer_says_what_is_in_it(tmp_path: Path) -> None:
    path = wheel(tmp_path / "w", "small", "1.0", {"small.py": ""})
    (kept,) = dependency_layers([pinned(path, asked=True, requires=("other",))], workplace(tmp_path))
    (component,) = msgspec.json.decode(kept.content, type=list[Component])
    assert (component.name, component.license, component.requires, component.asked) == (
        "small",
        "MIT",
        ("other",),
        True,
    )
