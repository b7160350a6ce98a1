"""Whether the image comes out the same: built again by another user, elsewhere: ``python -m bench.reproduce``.

The second build has an empty package cache, another folder, another user (where this one is root), another umask,
time zone, home and environment, and of course another time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NOBODY = 65534
SOURCE = Path(__file__).parents[1] / "src"
OTHER = {"TZ": "Pacific/Kiritimati", "HOME": "/nonexistent", "LANG": "tr_TR.UTF-8", "USER": "somebody"}


def python_for(user: int | None) -> tuple[str, dict[str, str]]:
    """Return a Python that a user can start, and what it needs in its environment to find bivy.

    The virtual environment's own lies in somebody's home where that person has installed it there; the system's, of
    the same version, takes its place for others.
    """
    own = sys.executable
    if user is None or _can_start(own, user):
        return own, {}
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    if not _can_start(system, user):
        raise SystemExit(f"user {user} can start neither {own} nor {system}")
    return system, {"PYTHONPATH": os.pathsep.join(path for path in [*sys.path, str(SOURCE)] if Path(path).is_dir())}


def _can_start(python: str, user: int) -> bool:
    try:
        subprocess.run([python, "-c", "import encodings"], user=user, group=user, extra_groups=[], check=True, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def give(folder: Path, user: int | None) -> None:
    """Make a folder, with all that is in it, a user's."""
    if user is not None:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, user, user)


def build(folder: Path, version: str, sources: Path | None, *, user: int | None, variables: dict[str, str]) -> str:
    """Build the image in a folder and return the manifest's digest."""
    folder.mkdir(parents=True)
    if sources:
        shutil.copytree(sources, folder / "cache" / "sources")
    give(folder, user)
    python, more = python_for(user)
    environment = {**os.environ, **more, **variables, "BIVY_CACHE": str(folder / "cache")}
    command = [python, "-m", "bivy", "build", version, "--json", "--output", str(folder / "dist")]
    started = time.perf_counter()
    done = subprocess.run(
        command, env=environment, cwd=folder, check=True, stdout=subprocess.PIPE, user=user, group=user,
        extra_groups=None if user is None else [], umask=0o022 if user is None else 0o077,
    )  # fmt: skip
    digest: str = json.loads(done.stdout)["digest"]
    seconds = time.perf_counter() - started
    print(f"{digest}  {seconds / 60:.1f} min" + ("" if user is None else f", as user {user}"), flush=True)
    return digest


def main() -> int:
    """Build twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="3.14")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bivy-reproduce-") as scratch:
        top = Path(scratch)
        top.chmod(0o755)
        first = build(top / "one", told.version, None, user=None, variables={})
        elsewhere = top / "somewhere" / "else entirely"
        elsewhere.parent.mkdir()
        elsewhere.parent.chmod(0o777)
        user = NOBODY if os.geteuid() == 0 else None
        second = build(elsewhere, told.version, top / "one" / "cache" / "sources", user=user, variables=OTHER)
    print("the same" if first == second else "NOT the same")
    return 0 if first == second else 1


if __name__ == "__main__":
    raise SystemExit(main())
