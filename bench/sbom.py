"""How long ``bivy sbom`` takes for ``python:3.14-alpine``, in both formats: ``python -m bench.sbom [--rounds N]``.

Timed is the whole command, on the image in ``dist/``.
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
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", default="dist")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bivy-bench-") as folder:
        for form in ("cyclonedx", "spdx"):
            place = Path(folder) / form
            command = [sys.executable, "-m", "bivy", "sbom", "python:3.14-alpine", "--output", given.output]
            taken = []
            for _ in range(given.rounds):
                started = time.perf_counter()
                subprocess.run([*command, "--format", form, "-o", place], check=True)
                taken.append(time.perf_counter() - started)
            print(
                f"{form}: {statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f}), "
                f"{place.stat().st_size:,} bytes"
            )


if __name__ == "__main__":
    main()
