"""The atlas' commands: ``python -m bench.atlas install|compare|page``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bench.atlas
from bench.atlas.compare import VERDICTS, compare
from bench.atlas.install import install
from bench.atlas.page import NOTES, PAGE, page
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

    command = commands.add_parser("compare", parents=[shared], help="ask bivy check, and say where the record differs")
    command.add_argument("--verdicts", type=Path, default=VERDICTS, help="where what check says is recorded")
    command.add_argument("--recorded", action="store_true", help="do not ask again, take what is recorded")
    command.set_defaults(call=compare)

    command = commands.add_parser("page", parents=[shared], help="write the page")
    command.add_argument("--verdicts", type=Path, default=VERDICTS, help="where what check says is recorded")
    command.add_argument("--notes", type=Path, default=NOTES, help="what a person wrote")
    command.add_argument("--page", type=Path, default=PAGE, help="where it goes")
    command.set_defaults(call=page)

    told = parser.parse_args()
    try:
        told.call(told)
    except KeyboardInterrupt:
        sys.exit("interrupted; what is recorded stays, and the next run goes on from there")


if __name__ == "__main__":
    main()
