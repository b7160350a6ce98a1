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
from pathlib import Path

NOBODY = 65534


def build(folder: Path, version: str, sources: Path | None, *, user: int | None, environment: dict[str, str]) -> str:
    """Build the image in a folder and return the manifest's digest."""
    folder.mkdir(parents=True)
    if sources:
        shutil.copytree(sources, folder / "cache" / "sources")
    if user is not None:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, user, user)
    command = [sys.executable, "-m", "bivy", "build", version, "--json", "--output", str(folder / "dist")]
    done = subprocess.run(
        command, env={**environment, "BIVY_CACHE": str(folder / "cache")}, cwd=folder, check=True,
        stdout=subprocess.PIPE, user=user, group=user, extra_groups=None if user is None else [],
    )  # fmt: skip
    digest = json.loads(done.stdout)["digest"]
    assert isinstance(digest, str)
    return digest


def main() -> int:
    """Build twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="3.14")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bivy-reproduce-") as scratch:
        top = Path(scratch)
        top.chmod(0o755)
        first = build(top / "one", told.version, None, user=None, environment=dict(os.environ))
        print(f"first build:  {first}", flush=True)
        os.umask(0o077)
        other = {**os.environ, "TZ": "Pacific/Kiritimati", "HOME": "/nonexistent", "LANG": "tr_TR.UTF-8", "USER": "x"}
        user = NOBODY if os.geteuid() == 0 else None
        elsewhere = top / "somewhere" / "else entirely"
        elsewhere.parent.mkdir(mode=0o755)
        elsewhere.parent.chmod(0o755)
        second = build(elsewhere, told.version, top / "one" / "cache" / "sources", user=user, environment=other)
        print(f"second build: {second}" + (" (as another user)" if user else ""))
    print("the same" if first == second else "NOT the same")
    return 0 if first == second else 1


if __name__ == "__main__":
    raise SystemExit(main())
