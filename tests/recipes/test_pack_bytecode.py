"""The file with the bytecode of what programs start with, as the recipe of Python writes it."""

from __future__ import annotations

import importlib.util
import marshal
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bivy.app.standard import packed_modules
from bivy.build.recipe import RECIPES

SCRIPT = RECIPES / "python" / "pack_bytecode.py"
FOLDER = "/usr/local/lib/python3.14"
SOURCES = {
    "often.py": b'"""Says."""\n\n\ndef answer():\n    return {"b", "a", "c"} and 42\n',
    "package/__init__.py": b"def f(x): return x in {'one', 'two', 'three'}\n",
    "seldom.py": b"value = 1\n",
    "always.py": b"value = 2\n",
}
CHOSEN = """
always = ["always.py", "of-another-version.py"]
[modules]
"often.py" = 9
"package/__init__.py" = 3
"of-another-version.py" = 3
"seldom.py" = 2
"""


def write(place: Path, text: str = CHOSEN, **variables: str) -> Path:
    """Pack a small library; return the pack."""
    library = place / FOLDER.removeprefix("/")
    for name, content in SOURCES.items():
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_bytes(content)
    (place / "chosen.toml").write_text(text)
    subprocess.run(
        [sys.executable, "-S", "-B", SCRIPT, place, FOLDER, place / "chosen.toml", "3"],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0", **variables},
        capture_output=True,
    )
    return library / "bytecode.pack"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write(tmp_path)


def number(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "little")


def test_what_enough_programs_have_is_in_it_and_what_is_always_to_be(pack: Path) -> None:
    assert packed_modules(pack) == {"always.py", "often.py", "package/__init__.py"}


def test_each_entry_leads_to_the_code_of_its_source(pack: Path) -> None:
    content = pack.read_bytes()
    assert content[:8] == b"BYTEPACK"
    assert content[8:12] == importlib.util.MAGIC_NUMBER
    count, size = number(content, 12), number(content, 16)
    index = content[32 : 32 + size]
    assert content[24:32] == importlib.util.source_hash(index)
    end = 32 + size
    for place, name in enumerate(index[24 * count :].decode().split("\n")):
        entry = index[24 * place : 24 * place + 24]
        assert number(entry, 0) == end
        code = content[end : (end := end + number(entry, 4))]
        assert entry[8:16] == importlib.util.source_hash(SOURCES[name])
        assert entry[16:] == importlib.util.source_hash(code)
        loaded = marshal.loads(code)
        assert loaded.co_filename == f"{FOLDER}/{name}"
        assert loaded.co_consts[-2 if name == "often.py" else 0] is not None
    assert end == len(content)


def test_docstrings_and_lines_are_kept(pack: Path) -> None:
    content = pack.read_bytes()
    entry = content[32 + 24 : 32 + 48]
    code = marshal.loads(content[number(entry, 0) : number(entry, 0) + number(entry, 4)])
    space: dict[str, object] = {}
    exec(code, space)
    assert space["__doc__"] == "Says."
    assert space["answer"].__code__.co_firstlineno == 4  # type: ignore[attr-defined]


def test_it_is_the_same_wherever_and_whenever_it_is_written(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "a longer name for another place"
    assert write(first).read_bytes() == write(second, HOME="/elsewhere", answer="42", TZ="CET").read_bytes()


def test_a_module_that_cannot_be_compiled_is_told(tmp_path: Path) -> None:
    (tmp_path / FOLDER.removeprefix("/")).mkdir(parents=True)
    (tmp_path / FOLDER.removeprefix("/") / "wrong.py").write_text("def (:\n")
    with pytest.raises(subprocess.CalledProcessError) as told:
        write(tmp_path, text='always = ["wrong.py"]\n[modules]\n')
    assert f"{FOLDER}/wrong.py cannot be compiled" in told.value.stderr.decode()


def test_the_recipe_names_modules_that_programs_have() -> None:
    chosen = tomllib.loads((RECIPES / "python" / "startup.toml").read_text())
    assert {"json/__init__.py", "unittest/mock.py", "asyncio/events.py"} <= set(chosen["always"])
    assert chosen["modules"]["re/__init__.py"] > 50
    assert not [name for name in chosen["modules"] if name.startswith(("/", "site-packages", "."))]
