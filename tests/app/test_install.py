"""A wheel is installed as an installer would, into entries."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bivy.app.install import Origin, install, parse_entry_points
from bivy.app.layers import Item
from bivy.errors import BivyError
from bivy.musl.archives.wheel import read_wheel
from tests.app.making import SITE, a_base, digest, wheel

FILES = {
    "tool/__init__.py": "x = 1\n",
    "tool/helper": "#!/bin/sh\n",
    "tool-1.0.data/scripts/run-tool": "#!python\nprint(1)\n",
    "tool-1.0.data/scripts/other": "#!/bin/sh\n",
    "tool-1.0.data/data/share/tool.txt": "t",
    "tool-1.0.data/headers/tool.h": "h",
    "tool-1.0.data/purelib/more.py": "",
    "tool-1.0.dist-info/entry_points.txt": "[console_scripts]\ntool = tool.main:App.run [extra]\n[other]\na = b\n",
}


PLAIN = Origin()


def installed(tmp_path: Path, path: Path, origin: Origin = PLAIN) -> dict[str, Item]:
    with path.open("rb") as file:
        read = read_wheel(file, path.name, path.name)
        items = install(read, a_base(tmp_path), origin, {f"{SITE}/tool/__init__.py": (3, lambda: (b"pyc",))})
        return {item.entry.path: Item.of(item.entry.path, content_of(item), item.entry.mode) for item in items}


def content_of(item: Item) -> bytes:
    return b"".join(item.load()) if item.load else item.entry.content


def test_every_scheme_has_its_place(tmp_path: Path) -> None:
    found = installed(tmp_path, wheel(tmp_path, "tool", "1.0", FILES, executable=("tool/helper",)))
    modes = {path: item.entry.mode for path, item in found.items() if "dist-info" not in path}
    assert modes == {
        f"{SITE}/tool/__init__.py": 0o644,
        f"{SITE}/tool/__pycache__/__init__.cpython-314.pyc": 0o644,
        f"{SITE}/tool/helper": 0o755,
        f"{SITE}/more.py": 0o644,
        "usr/local/bin/run-tool": 0o755,
        "usr/local/bin/other": 0o755,
        "usr/local/bin/tool": 0o755,
        "usr/local/share/tool.txt": 0o644,
        "usr/local/include/python3.14/tool/tool.h": 0o644,
    }


def test_programs_are_run_by_the_image_s_python(tmp_path: Path) -> None:
    found = installed(tmp_path, wheel(tmp_path, "tool", "1.0", FILES))
    assert content_of(found["usr/local/bin/run-tool"]) == b"#!/usr/local/bin/python3.14\nprint(1)\n"
    assert content_of(found["usr/local/bin/other"]) == b"#!/bin/sh\n"
    program = content_of(found["usr/local/bin/tool"]).decode()
    assert program.startswith("#!/usr/local/bin/python3.14\n")
    assert "from tool.main import App\n" in program
    assert "sys.exit(App.run())" in program


def test_the_record_names_every_file_with_its_digest(tmp_path: Path) -> None:
    found = installed(tmp_path, wheel(tmp_path, "tool", "1.0", FILES), Origin(requested=True))
    lines = list(csv.reader(content_of(found[f"{SITE}/tool-1.0.dist-info/RECORD"]).decode().splitlines()))
    named = {line[0]: (line[1], line[2]) for line in lines}
    assert len(named) == len(lines) == len(found)
    assert named["../../../bin/tool"][0] == f"sha256={digest(content_of(found['usr/local/bin/tool']))}"
    assert named["tool/__init__.py"] == (f"sha256={digest(b'x = 1' + bytes([10]))}", "6")
    assert named["tool/__pycache__/__init__.cpython-314.pyc"] == ("", "")
    assert named["tool-1.0.dist-info/RECORD"] == ("", "")
    assert content_of(found[f"{SITE}/tool-1.0.dist-info/INSTALLER"]) == b"bivy\n"
    assert f"{SITE}/tool-1.0.dist-info/REQUESTED" in found


def test_what_came_from_an_address_says_so(tmp_path: Path) -> None:
    origin = Origin(url="https://example.org/tool-1.0-py3-none-any.whl", sha256="ab")
    found = installed(tmp_path, wheel(tmp_path, "tool", "1.0", FILES), origin)
    told = json.loads(content_of(found[f"{SITE}/tool-1.0.dist-info/direct_url.json"]))
    assert told == {"url": origin.url, "archive_info": {"hashes": {"sha256": "ab"}}}


@pytest.mark.parametrize(
    "path", ["../evil.py", "/etc/passwd", "a/../../b", "tool-1.0.data/scripts/../../x", "tool-1.0.data/unknown/x",
             "tool-1.0.data/scripts"]
)  # fmt: skip
def test_a_member_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BivyError, match=r"tool-1\.0-py3-none-any\.whl"):
        installed(tmp_path, wheel(tmp_path, "tool", "1.0", {path: "x"}))


@pytest.mark.parametrize("target", ["tool", "tool:", "tool main:run", "tool:run; import os", ":run"])
def test_an_entry_point_that_is_none_is_refused(tmp_path: Path, target: str) -> None:
    text = f"[console_scripts]\ntool = {target}\n"
    with pytest.raises(BivyError, match="entry point"):
        installed(tmp_path, wheel(tmp_path, "tool", "1.0", {"tool-1.0.dist-info/entry_points.txt": text}))


def test_a_program_s_name_leads_nowhere_else(tmp_path: Path) -> None:
    text = "[console_scripts]\n../../evil = tool:run\n"
    with pytest.raises(BivyError, match="entry point"):
        installed(tmp_path, wheel(tmp_path, "tool", "1.0", {"tool-1.0.dist-info/entry_points.txt": text}))


def test_names_of_programs_keep_their_case() -> None:
    assert parse_entry_points(b"[gui_scripts]\nMyTool=a:b\n", "x") == {"MyTool": "a:b"}
    with pytest.raises(BivyError, match=r"entry_points\.txt cannot be read"):
        parse_entry_points(b"tool = a:b\n", "x")
