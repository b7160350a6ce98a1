"""Runs an image in a process of its own: `python -m tests.run.driver FILE`, with what in a pickle."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import tempfile
from pathlib import Path

from bivy.errors import BivyError
from bivy.oci.image import Image
from bivy.run.container import run
from bivy.run.options import RunOptions
from bivy.sandbox import find_bubblewrap

ROOT = Path(__file__).parents[2]


def command(image: Image, options: RunOptions, cache: Path, user: int | None = None) -> list[str]:
    """The command line that runs the image, as another user where one is given."""
    descriptor, name = tempfile.mkstemp(dir=cache, prefix="asked-")
    with os.fdopen(descriptor, "wb") as file:
        pickle.dump((image, options, cache, user), file)
    return [sys.executable, "-m", "tests.run.driver", name]


def main() -> int:
    image, options, cache, user = pickle.loads(Path(sys.argv[1]).read_bytes())
    if user is not None:  # not earlier: the interpreter may lie where only root can read it
        find_bubblewrap()
        importlib.import_module("gzip")
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    try:
        return run(image, options, cache=cache)
    except BivyError as fault:
        sys.stderr.write(f"{fault}\n{fault.hint}\n")
        return fault.exit_status


if __name__ == "__main__":
    sys.exit(main())
