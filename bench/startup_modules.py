"""Which modules of the standard library programs start with: the image's bytecode pack has those that many have.

    python -m bench.startup_modules [REFERENCE] [--layout DIR] [--record] [--only NAME …]

Each program of startup_programs.toml is installed from its wheels for musl into a folder of its own, and started in the
image. What it then has of the standard library is counted; `--record` writes the counts to the recipe of Python. Counts
that are there and higher stay, so that what was recorded with several versions of Python is one list.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from bivy.build.recipe import RECIPES
from bivy.files import cache_folder
from bivy.oci.layout import read_image
from bivy.run.unpacked import unpacked
from bivy.sandbox import Bind, Sandbox, find_bubblewrap

PROGRAMS: Final = Path(__file__).parent / "startup_programs.toml"
COUNTED: Final = RECIPES / "python" / "startup.toml"

# What each program starts with: when it ends, it writes down which modules it has.
_SPY: Final = """
import atexit, sys
def write(out=open("/mnt/modules", "a"), modules=sys.modules, folder=sys._stdlib_dir + "/"):
    for module in list(modules.values()):
        path = getattr(getattr(module, "__spec__", None), "origin", None) or getattr(module, "__file__", None)
        if isinstance(path, str) and path.startswith(folder) and path.endswith(".py") and "/site-packages/" not in path:
            print(path[len(folder):], file=out)
    out.flush()
atexit.register(write)
"""
_TEXT: Final = """
import unittest
class Test(unittest.TestCase):
    def test(self): pass
def app(environ, start): pass
"""


def main() -> None:
    """Start the programs, and print what they have."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", nargs="?", default="python:3.14-alpine")
    parser.add_argument("--layout", type=Path, default=Path("dist"), help="where the image is")
    parser.add_argument("--record", action="store_true", help="write the counts to the recipe")
    parser.add_argument("--only", nargs="*", help="start only these programs")
    told = parser.parse_args()
    root = unpacked(read_image(told.layout, told.reference), cache_folder())
    programs = tomllib.loads(PROGRAMS.read_text("utf-8"))
    counts: dict[str, int] = {}
    always: set[str] = set()
    started = 0
    for name, program in programs.items():
        if told.only and name not in told.only:
            continue
        found = start(root, program["install"], program["run"])
        started += bool(found)
        print(f"{name:24} {len(found) or 'could not be installed or started'}", flush=True)
        always.update(found if program.get("always") else ())
        for module in found:
            counts[module] = counts.get(module, 0) + 1
    print(f"{dt.date.today()}, {told.reference}: {started} of {len(programs)} programs, {len(counts)} modules")
    if told.record:
        record(counts, always)


def start(root: Path, requirements: list[str], program: str) -> set[str]:
    """Install and start a program; return the modules that it had, none where it does not run.

    Args:
        root: The image's files.
        requirements: What is installed.
        program: What runs: a text, or words that begin with ``-m``.
    """
    with tempfile.TemporaryDirectory(prefix="bivy-bench-") as name:
        site, out = Path(name, "site"), Path(name, "out")
        site.mkdir()
        out.mkdir()
        if requirements and not _install(requirements, site, root):
            return set()
        (out / "sitecustomize.py").write_text(_SPY)
        (out / "program.py").write_text(_TEXT)
        words = program.split() if program.startswith("-m ") else ["-c", program]
        sandbox = Sandbox(
            [Bind(root, "/"), Bind(site, "/srv"), Bind(out, "/mnt", writable=True)],
            environment={"PYTHONPATH": "/mnt:/srv", "PATH": "/usr/local/bin:/bin", "HOME": "/tmp"},
            directory="/tmp",
        )
        bubblewrap = find_bubblewrap()
        assert bubblewrap is not None
        command = ["/bin/sh", "-c", 'cp /mnt/program.py /tmp/; exec python3 -B "$@"', "sh", *words]
        whole = sandbox.command(bubblewrap, command)
        done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
        if "Traceback" in done.stderr or not (out / "modules").is_file():
            print(done.stderr[-800:], file=sys.stderr)
            return set()
        return set((out / "modules").read_text().split())


def _install(requirements: list[str], site: Path, root: Path) -> bool:
    (interpreter,) = (root / "usr/local/bin").glob("python3.*[0-9]")
    command = ["uv", "pip", "install", "--quiet", "--no-build", "--python-platform", "x86_64-unknown-linux-musl",
               "--python-version", interpreter.name.removeprefix("python"), "--target", str(site)]  # fmt: skip
    done = subprocess.run([*command, *requirements], capture_output=True, text=True, timeout=600, check=False)
    print(done.stderr[-400:], end="", file=sys.stderr)
    return done.returncode == 0


def record(counts: dict[str, int], always: set[str]) -> None:
    """Write the counts where the recipe has them.

    Args:
        counts: How many programs have each module.
        always: The modules that are to be in the pack, however few have them.
    """
    known = tomllib.loads(COUNTED.read_text("utf-8")) if COUNTED.is_file() else {}
    before = known.get("modules", {})
    most = {name: max(counts.get(name, 0), before.get(name, 0)) for name in {*counts, *before}}
    lines = [
        "# How many programs of bench/startup_programs.toml have a module of the standard library when they are up,",
        "# and which modules are in the pack in any case (docs/awake.md).",
        "# Written by `python -m bench.startup_modules --record`.",
        "always = [",
        *(f"    {json.dumps(name)}," for name in sorted({*always, *known.get("always", [])})),
        "]",
        "",
        "[modules]",
        *(f"{json.dumps(name)} = {count}" for name, count in sorted(most.items(), key=lambda one: (-one[1], one[0]))),
    ]
    COUNTED.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
