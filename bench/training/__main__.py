"""Train the profile by which the recipe compiles CPython.

    python -m bench.training [3.14] [--jobs N] [--layout DIR] [--mirror URL]
    python -m bench.training --check [3.14]

The recipe's Python is built with counters in it, put into a copy of the image's files, and runs the programs beside
this file and CPython's own tests; llvm-profdata merges what was counted. Which block of a function runs how often is
all that is kept, so that one profile serves every architecture. The programs are none of pyperformance's.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.training.train import train
from bivy.build.graph import Recipes
from bivy.build.profile import has_profile, profile_misfit
from bivy.errors import BivyError
from bivy.files import cache_folder
from bivy.progress import Lines
from bivy.source.places import mirrors_told

if TYPE_CHECKING:
    from bivy.build.recipe import Recipe


def main() -> int:
    """Train, or say whether the profile fits."""
    parser = argparse.ArgumentParser(prog="python -m bench.training", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("series", nargs="?", default="3.14", help="a version of Python, or the beginning of one")
    parser.add_argument("--check", action="store_true", help="only say whether the profile fits the recipe as it is")
    parser.add_argument("--layout", type=Path, default=Path("dist"), help="where the image is")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes at once")
    parser.add_argument("--mirror", action="append", default=[], help="where else packages and sources may be had")
    told = parser.parse_args()
    try:
        recipe = Recipes().find("python", told.series)
        if told.check:
            return _check(recipe)
        path = train(recipe, layout=told.layout, cache=cache_folder(), jobs=told.jobs,
                     mirrors=mirrors_told(told.mirror), progress=Lines(sys.stderr))  # fmt: skip
    except BivyError as fault:
        sys.stderr.write(f"bench.training: {fault}\n" + (f"  {fault.hint}\n" if fault.hint else ""))
        return fault.exit_status
    except KeyboardInterrupt:
        sys.stderr.write("bench.training: stopped\n")
        return 130
    sys.stdout.write(f"{path}\n")
    if recipe.data.variables.get("profile") != path.name:
        sys.stderr.write(f'to have it used, name it in the version\'s variables: profile = "{path.name}"\n')
    return 0


def _check(recipe: Recipe) -> int:
    """Say whether the profile fits."""
    version = recipe.data.version
    fault = profile_misfit(recipe) if has_profile(recipe) else "there is no profile"
    if fault:
        fault += f"; train one: python -m bench.training {version}"
    sys.stdout.write(f"{recipe.name} {version}: {fault or 'the profile fits'}\n")
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
