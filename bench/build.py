"""How long it takes from an empty cache to the image, and when nothing changed: ``python -m bench.build``."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import subprocess
import sys
import tempfile
import time


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Run a command, its output to standard error, and return the seconds it took."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="3.14")
    parser.add_argument("--arch", default="")
    parser.add_argument("--warm", action="store_true", help="only the second figure, with the cache that is there")
    told = parser.parse_args()
    command = [sys.executable, "-m", "bivy", "build", told.version, *(["--arch", told.arch] if told.arch else [])]
    cores = len(os.sched_getaffinity(0))
    print(f"{dt.date.today()}, {cores} cores, python {told.version} {told.arch}".rstrip(), flush=True)
    with tempfile.TemporaryDirectory(prefix="bivy-bench-") as scratch:
        environment = dict(os.environ) if told.warm else {**os.environ, "BIVY_CACHE": f"{scratch}/cache"}
        command += ["--output", f"{scratch}/dist"]
        first = timed(command, environment)
        again = sorted(timed([*command, "-q"], environment) for _ in range(5))
    if not told.warm:
        print(f"from an empty cache: {first / 60:.1f} min, downloads included (limit: 12 min on 2 cores)")
    print(f"with nothing changed: {again[2]:.2f} s (median of 5, {again[0]:.2f} to {again[4]:.2f}; limit: 1 s)")


if __name__ == "__main__":
    main()
