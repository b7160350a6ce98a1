"""Try recipes: ``python -m bivy.build zlib openssl`` builds their packages and says where they are."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bivy.arch import build_machine, find_arch
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.build.recipe import RECIPES
from bivy.errors import BivyError
from bivy.files import cache_folder
from bivy.progress import Lines
from bivy.source.places import mirrors_told


def main() -> int:
    """Build the packages that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bivy.build", description=__doc__)
    parser.add_argument("package", nargs="+", help="a package's name, or NAME=VERSION")
    parser.add_argument("--arch", default=build_machine().name, help="Alpine's name or OCI's (default: this machine's)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes at once")
    parser.add_argument("--recipes", type=Path, default=RECIPES, help="the folder of the recipes")
    parser.add_argument("--mirror", action="append", default=[], help="where else sources may be had")
    told = parser.parse_args()
    versions = dict(name.split("=", 1) for name in told.package if "=" in name)
    try:
        nodes = plan([n.partition("=")[0] for n in told.package], find_arch(told.arch), Recipes(told.recipes), versions)
        found = build(nodes, cache=cache_folder(), jobs=told.jobs, mirrors=mirrors_told(told.mirror),
                      progress=Lines(sys.stderr))  # fmt: skip
    except BivyError as fault:
        sys.stderr.write(f"bivy.build: {fault}\n" + (f"  {fault.hint}\n" if fault.hint else ""))
        return fault.exit_status
    except OSError as fault:
        sys.stderr.write(f"bivy.build: {fault}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("bivy.build: stopped\n")
        return 130
    for paths in found.values():
        for path in paths:
            sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
