"""How long `bivy page` takes to write the page of an image, its HTML included.

    python -m bench.page [REF] [--layout DIR] [--rounds N]

Each round is the whole command, in a new folder. Printed are the median and the extremes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", nargs="?", default="python:3.14-alpine")
    parser.add_argument("--layout", type=Path, default=Path("dist"), help="where it is")
    parser.add_argument("--rounds", type=int, default=9)
    told = parser.parse_args()
    seconds = []
    with tempfile.TemporaryDirectory(prefix="bivy-bench-") as name:
        for number in range(told.rounds):
            command = [sys.executable, "-m", "bivy", "page", told.reference, "--layout", str(told.layout), "-q"]
            command += ["-o", f"{name}/{number}", "--html", f"{name}/{number}.html"]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
    print(f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
