"""What makes the image's apk start quickly is what it stands for."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.build.recipe import BIVY, RECIPES

FOLDER = RECIPES / "bivy-apk"
SOURCE = '''
class Plain:
    """A value."""

    name: str
    size: int = 3
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"<{self.name}>"


class Changing:
    """Something that changes."""

    names: list[str] = field(default_factory=list)


class Own:
    """One that compares in its own way, and looks at what it was given."""

    text: str

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError("no text")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and self.text.lower() == other.text.lower()

    def __hash__(self) -> int:
        return hash(self.text.lower())


Plain = dataclass(frozen=True, slots=True)(Plain)
Changing = dataclass(slots=True)(Changing)
Own = dataclass(frozen=True, slots=True, eq=False)(Own)
'''


def loaded(name: str, module: ModuleType) -> ModuleType:
    made = ModuleType(name)
    sys.modules[name] = made  # where `dataclasses` looks for it
    vars(made).update(dataclass=module.dataclass, field=module.field)
    exec(compile("from __future__ import annotations\n" + SOURCE, name, "exec"), vars(made))
    return made


def _quick() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quick", FOLDER / "quick.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


QUICK = _quick()
OURS, THEIRS = loaded("ours", QUICK), loaded("theirs", dataclasses)


@given(st.text(), st.integers(), st.lists(st.text()).map(tuple), st.integers())
def test_quick_values_are_like_those_of_dataclasses(name: str, size: int, words: tuple[str, ...], other: int) -> None:
    one, like = OURS.Plain(name, size, words=words), THEIRS.Plain(name, size, words=words)
    assert repr(one) == repr(like)
    assert str(one) == str(like)
    assert hash(one) == hash(like)
    assert one == OURS.Plain(name, size, words)
    assert one != like
    changed = QUICK.replace(one, size=other)
    assert repr(changed) == repr(dataclasses.replace(like, size=other))
    assert (changed == one) is (other == size)


def test_defaults_are_as_told_and_lists_are_each_value_s_own() -> None:
    assert repr(OURS.Plain("a")) == repr(THEIRS.Plain("a"))
    first, second = OURS.Changing(), OURS.Changing()
    first.names.append("x")
    assert second.names == []
    assert [each.name for each in QUICK.fields(OURS.Plain)] == ["name", "size", "words"]
    with pytest.raises(TypeError):
        OURS.Plain()


def test_frozen_values_cannot_be_changed_and_have_no_other_attributes() -> None:
    value = OURS.Plain("a")
    with pytest.raises(AttributeError):
        value.name = "b"
    with pytest.raises(AttributeError):
        del value.name
    assert not hasattr(value, "__dict__")
    with pytest.raises(AttributeError):
        OURS.Changing().other = 1
    with pytest.raises(TypeError):
        hash(OURS.Changing())


def test_what_a_class_says_itself_counts() -> None:
    assert OURS.Own("A") == OURS.Own("a")
    assert hash(OURS.Own("A")) == hash(OURS.Own("a"))
    with pytest.raises(ValueError, match="no text"):
        OURS.Own("")


def test_named_tuples_are_tuples_with_names() -> None:
    class Pair(QUICK.NamedTuple):  # type: ignore[name-defined, misc]
        """Two."""

        first: int
        second: str

    assert Pair(1, "a") == (1, "a")
    assert Pair(second="a", first=1).second == "a"
    assert Pair.__doc__ == "Two."


def test_all_that_apk_asks_of_dataclasses_is_there() -> None:
    for path in (BIVY / "apk").rglob("*.py"):
        for line in path.read_text().splitlines():
            if line.strip().startswith("from dataclasses import"):
                for name in line.partition("import")[2].split(","):
                    assert hasattr(QUICK, name.strip()), f"{path}: {name}"
            if line.startswith("from typing import"):
                for name in line.partition("import")[2].split(","):
                    assert hasattr(QUICK, name.strip()), f"{path}: {name}"
            assert "import dataclasses" not in line, path
            assert not line.startswith("import typing"), path


def test_the_file_is_the_same_each_time_and_runs(tmp_path: Path) -> None:
    made = []
    for seed in ("1", "2"):
        output = tmp_path / f"apk-{seed}"
        words: list[str | Path] = [
            FOLDER / "bundle.py", output, sys.executable, "bivy.apk.cli", BIVY / "apk", FOLDER / "modules",
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([sys.executable, *words], check=True, env=environment, capture_output=True)
        made.append(output.read_bytes())
    assert made[0] == made[1]
    assert made[0].startswith(b"#!/bin/sh\n")
    # Without the shell's line: this machine's Python may not have the allocator that the image's has.
    done = subprocess.run([sys.executable, "-S", output, "version", "-t", "1.0", "1.1"], capture_output=True, text=True)
    assert done.stdout == "<\n", done.stderr
