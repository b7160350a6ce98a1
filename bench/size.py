"""Where the image's compressed bytes are, beside the official image's: ``python -m bench.size``."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys

# python:3-alpine3.24, linux/amd64, published on 17 September 2026: its layers' transfer sizes in bytes.
OFFICIAL = {"minirootfs": 3849738, "ca-certificates and tzdata": 416264, "python": 13508749, "symlinks": 248}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", nargs="?", default="python:3.14-alpine")
    told = parser.parse_args()
    command = [sys.executable, "-m", "bivy", "inspect", told.reference, "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    official = sum(OFFICIAL.values())
    size = sum(layer["size"] for layer in found["layers"])
    print(f"{dt.date.today()}, {told.reference}")
    for layer in found["layers"]:
        print(f"{layer['size']:>12,}  {layer['created_by']}")
    print(f"{size:>12,}  in all: {size / official:.2f} of the official image's {official:,}")


if __name__ == "__main__":
    main()
