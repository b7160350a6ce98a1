"""Compile the standard library and its tests beside the image's files, so that no test has to begin with that."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys


def main(target: str, folders: list[str]) -> None:
    """Write the bytecode of all modules below some folders to where it belongs, below another root.

    Args:
        target: The other root.
        folders: The folders, absolute.
    """
    for folder in folders:
        for path, _, names in os.walk(folder):
            for name in names:
                if name.endswith(".py"):
                    source = f"{path}/{name}"
                    place = target + importlib.util.cache_from_source(source)
                    # The timestamp, since what a sandbox writes itself has that too. Some tests are not to compile.
                    mode = py_compile.PycInvalidationMode.TIMESTAMP
                    py_compile.compile(source, cfile=place, quiet=2, invalidation_mode=mode)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
