"""Runs an image in a process of its own: `python -m tests.run.driver WHAT`, with what in pickle, in hexadecimal."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

from bivy.errors import BivyError
from bivy.run.container import run
from bivy.run.options import RunOptions
from bivy.sandbox import find_bubblewrap
from tests.run.conftest import ProbeImage

ROOT = Path(__file__).parents[2]


def command(image: ProbeImage, options: RunOptions, cache: Path, user: int | None = None) -> list[str]:
    """The command line that runs the image, as another user where one is given."""
    return [sys.executable, "-m", "tests.run.driver", pickle.dumps((image, options, cache, user)).hex()]


def main() -> int:
    image, options, cache, user = pickle.loads(bytes.fromhex(sys.argv[1]))
    if user is not None:  # not earlier: the interpreter may lie where only root can read it
        find_bubblewrap()
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
