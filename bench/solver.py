"""How many of the solver's answers equal genuine apk's, and how long they take: ``python -m bench.solver``.

A sample is questions (what is installed, which command) with the answers that genuine apk gave. With ``--genuine`` it
is drawn and asked anew, which needs an unpacked root filesystem with apk-tools 2.14 in ``BIVY_GENUINE_APK_ROOT``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

from bivy.apk.index import read_index
from bivy.apk.sign import read_public_key
from tests.apk import genuine_answers as answers
from tests.apk import synthetic


def _index_text(file: Path) -> str:
    from bivy.apk.index import format_index_entry

    return "\n".join(format_index_entry(entry) for entry in read_index(file.read_bytes(), None))


def main() -> None:
    """Ask, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, help="an APKINDEX.tar.gz; without, the synthetic universes")
    parser.add_argument("--key", type=Path, help="the public key that it is signed with")
    parser.add_argument("--genuine", action="store_true", help="draw a new sample and ask genuine apk")
    parser.add_argument("--sample", type=Path, required=True, help="the file with the sample; written with --genuine")
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    print("to be written")


if __name__ == "__main__":
    main()
