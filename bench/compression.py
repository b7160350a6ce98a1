"""What libdeflate saves beside zlib, in bytes and time, on the image's own layers: ``python -m bench.compression``."""

from __future__ import annotations

import argparse
import datetime as dt
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.compression import gzip
from bivy.files import cache_folder
from bivy.oci.layer import read_layer
from bivy.oci.open import opened

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", nargs="?", default="python:3.14-alpine")
    told = parser.parse_args()
    with opened(told.reference, layout=Path("dist"), platform="", cache=cache_folder()) as image:
        archives = [read_layer(layer) for layer in image.layers]
    ways: dict[str, Callable[[bytes], bytes]] = {
        "zlib 9": lambda content: zlib.compress(content, 9, 31),
        "libdeflate 9": lambda content: gzip(content, level=9),
        "libdeflate 10": gzip,
        "libdeflate 12": lambda content: gzip(content, level=12),
    }
    print(f"{dt.date.today()}, {told.reference}, zlib {zlib.ZLIB_RUNTIME_VERSION}")
    peer_size, peer_seconds = 0, 0.0
    for name, compress in ways.items():
        started = time.perf_counter()
        size = sum(len(compress(archive)) for archive in archives)
        seconds = time.perf_counter() - started
        if not peer_size:
            peer_size, peer_seconds = size, seconds
        print(f"{name:<14} {size:>12,} bytes ({size / peer_size:.3f})  {seconds:5.1f} s ({seconds / peer_seconds:.2f})")


if __name__ == "__main__":
    main()
