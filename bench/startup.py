"""How long Python takes to import FastAPI, uvicorn and an application in an image of `bivy app`, by its bytecode.

    python -m bench.startup [--layout DIR] [--rounds N]

The image's files are unpacked several times: with no bytecode, with the base's pack alone, with the bytecode of the
dependencies and the project but no pack, with both, with that of the rest of the standard library too, and with all of
it marked as to be checked against the text (PEP 552). Printed is the median.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.app import PROJECTS, write_project
from bivy.files import cache_folder
from bivy.oci.layout import read_image
from bivy.run.unpacked import unpacked
from bivy.sandbox import Bind, Sandbox, find_bubblewrap

_STANDARD = "usr/local/lib/python3.14"

# What each has bytecode of: the base's pack, the dependencies and the project, the rest of the standard library.
VARIANTS = {
    "nothing": (False, False, False),
    "pack": (True, False, False),
    "dependencies and project": (False, True, False),
    "pack, dependencies and project": (True, True, False),
    "everything": (True, True, True),
    "everything, checked": (True, True, True),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", type=Path, default=Path("dist"), help="where the base is")
    parser.add_argument("--rounds", type=int, default=9)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bivy-bench-") as name:
        place = Path(name)
        shutil.copytree(told.layout, place / "dist")
        folder = write_project(PROJECTS[0], place, told.layout.absolute())
        command = [
            sys.executable,
            "-m",
            "bivy",
            "app",
            str(folder),
            "-o",
            str(place / "dist"),
            "-q",
            "--name",
            "bench:1",
        ]
        subprocess.run(command, check=True, capture_output=True)
        whole = unpacked(read_image(place / "dist", "bench:1"), cache_folder())
        variants = {}
        for variant in VARIANTS:
            variants[variant] = place / variant.replace(" ", "-")
            shutil.copytree(whole, variants[variant], symlinks=True)
            change(variants[variant], variant)
        seconds: dict[str, list[float]] = {variant: [] for variant in variants}
        for _ in range(told.rounds):
            for variant, root in variants.items():
                seconds[variant].append(start(root))
    for variant, times in seconds.items():
        print(f"{variant:32} {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")


def change(root: Path, variant: str) -> None:
    """Take bytecode away, or have it checked."""
    pack, others, standard = VARIANTS[variant]
    if not pack:
        (root / _STANDARD / "bytecode.pack").unlink()
    for path in list(root.rglob("*.pyc")):
        own = path.relative_to(root).as_posix()
        if not (standard if own.startswith(_STANDARD) and "site-packages" not in own else others):
            path.unlink()
        elif variant.endswith("checked"):
            content = path.read_bytes()
            path.write_bytes(content[:4] + (3).to_bytes(4, "little") + content[8:])


def start(root: Path) -> float:
    """Import everything once; return the seconds that it took."""
    program = find_bubblewrap()
    assert program is not None
    sandbox = Sandbox([Bind(root, "/")], environment={"PYTHONPATH": "/app"}, directory="/app")
    command = sandbox.command(program, ["/usr/local/bin/python3", "-c", "import uvicorn.main, main"])
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
