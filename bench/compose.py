"""How long composing an image of Alpine's packages takes, from a repository on this machine.

    python -m bench.compose [--rounds N]

The packages are bivy's own, under Alpine's names, as the cache has them (`bivy build` puts them there); the image is
the one of `bivy build --alpine`, with three more packages in it. Timed is the whole command, with Python built: when no
layer was compressed before, when none but Python's was (another image has it), and when all were.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mirror import small_package, write_repository

from bivy.apk.sign import Signer, generate_key
from bivy.arch import build_machine
from bivy.build.graph import Recipes, plan
from bivy.build.store import Store
from bivy.files import cache_folder
from bivy.images.definition import load_image

ARCH = build_machine()


def make_mirror(folder: Path) -> int:
    """Write a mirror of release 3.24 and return how many packages it has."""
    definition, recipes = load_image("python"), Recipes()
    version = recipes.find(definition.package, definition.default).data.version
    nodes = plan(definition.packages, ARCH, recipes, dict.fromkeys(("python", "build-python"), version))
    packages = [small_package("apk-tools", "3.0.8-r0", arch=ARCH.name)]
    packages += (small_package(f"more-{number}", arch=ARCH.name, install_if=("busybox",)) for number in range(3))
    for node in nodes:
        if node.recipe.data.machine == "target" and node.recipe.name not in ("python", "bivy-apk"):
            packages += (path.read_bytes() for path in Store(cache_folder() / "packages").find(node.key) or ())
    write_repository(folder / "v3.24/main", packages, Signer(generate_key(2048), "bench-1.rsa.pub"), ARCH.name)
    return len(packages)


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Run a command and return the seconds that it took."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bivy-bench-") as name:
        folder, cache = Path(name), Path(name) / "cache"
        make_mirror(folder / "mirror")
        cache.mkdir()
        for part in ("packages", "sources", "runtime"):
            (cache / part).symlink_to(cache_folder() / part)
        environment = {**os.environ, "BIVY_CACHE": str(cache)}
        command = [
            sys.executable, "-m", "bivy", "build", "--alpine", "3.24", "--mirror", str(folder / "mirror"),
            "--keys", str(folder / "mirror/v3.24/main/keys"), "--output", str(folder / "dist"), "--json",
        ]  # fmt: skip
        all_cold = timed(command, environment)
        python_layer = max((cache / "layers").iterdir(), key=lambda path: path.stat().st_size)
        times: dict[str, list[float]] = {"cold": [], "warm": []}
        for _ in range(given.rounds):
            for path in (cache / "layers").iterdir():
                if path != python_layer:
                    path.unlink()
            for measured in times.values():
                shutil.rmtree(cache / "images")
                measured.append(timed(command, environment))
        made = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
        image = f"oci:{folder}/dist:{made['names'][0]}"
        inspect = [sys.executable, "-m", "bivy", "inspect", image, "--json"]
        found = json.loads(subprocess.run(inspect, check=True, capture_output=True).stdout)
        cold, warm = (statistics.median(times[kind]) for kind in ("cold", "warm"))
        print(f"{dt.date.today()}, an image of {len(found['packages'])} packages")
        print(f"nothing compressed before, Python's layer neither: {all_cold:.2f} s")
        print(f"Python's layer there from another image: {cold:.2f} s (median of {given.rounds}; limit: 3 s)")
        print(f"all layers there: {warm:.2f} s")


if __name__ == "__main__":
    main()
