"""The atlas' commands: ``python -m bench.atlas install|compare|page``."""

from __future__ import annotations

import argparse
from pathlib import Path

import bench.atlas
from bench.atlas.install import install
from bench.atlas.record import NAMES, RECORD


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.atlas", description=bench.atlas.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--names", type=Path, default=NAMES, help="the packages, a name a line")
    shared.add_argument("--record", type=Path, default=RECORD, help="where what happened is recorded")
    shared.add_argument("--jobs", type=int, default=2, help="how many at a time")
    shared.add_argument("--only", nargs="+", metavar="NAME", help="just these")

    command = commands.add_parser("install", parents=[shared], help="install and import, and record what happened")
    command.add_argument("--image", default="python:3.14-alpine")
    command.add_argument("--output", type=Path, default=Path("dist"), help="the OCI layout that the image is in")
    command.add_argument("--again", action="store_true", help="also what is recorded already")
    command.add_argument("--reread", action="store_true", help="install nothing, read again what was seen")
    command.set_defaults(call=install)

    told = parser.parse_args()
    told.call(told)


if __name__ == "__main__":
    main()
