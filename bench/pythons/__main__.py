"""The command line: ``python -m bench.pythons``."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bench.pythons
from bench.pythons.chart import chart
from bench.pythons.compare import measure_all
from bench.pythons.debian import SUITE, make_debian
from bench.pythons.dependencies import lock_digest, programs_version, with_programs
from bench.pythons.measures import KINDS, measures_of
from bench.pythons.official import make_official
from bench.pythons.programs import FOLDER, choose, read_programs
from bench.pythons.record import continued, new_record, read_record, write_record
from bench.pythons.show import report
from bench.pythons.sides import made_folder, opened_side, parse_side, with_variables
from bivy.errors import BivyError, UsageError
from bivy.files import cache_folder, scratch_folder, write_whole
from bivy.progress import Lines
from bivy.rootfs.disk import memory_folder
from bivy.source.places import mirrors_told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.pythons.measures import Measure
    from bench.pythons.programs import Program
    from bench.pythons.sides import Asked, Side

IMAGE: Final = "python:3.14-alpine"
DEBIAN: Final = "debian"
_STOPPED: Final = 130
# What programs write, in bytes, with a margin.
_ROOM: Final = 256 << 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what is asked."""
    told = _parser().parse_args(_with_command(sys.argv[1:] if arguments is None else list(arguments)))
    try:
        sys.exit(told.call(told))
    except BivyError as fault:
        print(f"error: {fault}", *([f"hint: {fault.hint}"] if fault.hint else []), sep="\n", file=sys.stderr)
        sys.exit(fault.exit_status)
    except KeyboardInterrupt:
        sys.exit(_STOPPED)


def _with_command(words: list[str]) -> list[str]:
    return words if words and (not words[0].startswith("-") or words[0] in ("-h", "--help")) else ["compare", *words]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.pythons", description=bench.pythons.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("compare", help="measure and print; what is done without a command")
    command.add_argument(
        "--side",
        action="append",
        default=[],
        metavar="NAME=WHAT",
        help="a Python: an image, FOLDER or FOLDER:/usr/bin/python3.14, system; the first is the base",
    )
    command.add_argument("--against", metavar="NAME", help="the side that is the base of all ratios")
    command.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME:VARIABLE=VALUE",
        help="a variable for a side, such as image:PYTHONMALLOC=mimalloc",
    )
    command.add_argument("--layout", type=Path, default=Path("dist"), help="the OCI layout that images are in")
    command.add_argument("--only", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help=" ".join(KINDS))
    command.add_argument("--programs", default="", metavar="A,B", help="which of pyperformance's programs; all for all")
    command.add_argument("--rounds", type=int, default=4, help="how often each side takes its turn")
    command.add_argument("--patience", type=float, default=300, metavar="SECONDS", help="what a program may take")
    command.add_argument("--json", type=Path, metavar="FILE", help="where every value is written")
    command.add_argument("--continue", action="store_true", dest="go_on", help="go on with the values that FILE has")
    command.add_argument("--draw", type=Path, metavar="FILE.svg", help="draw a chart of the programs")
    command.set_defaults(call=_compare)

    fetching = argparse.ArgumentParser(add_help=False)
    fetching.add_argument("folder", type=Path, nargs="?", help="a new folder; below bivy's cache unless told")
    fetching.add_argument("--suite", default=SUITE, help=f"Debian's suite whose packages are taken ({SUITE})")
    fetching.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="URL",
        help="a mirror of Debian's archive, asked before those that this machine's apt knows",
    )

    command = commands.add_parser("debian", parents=[fetching], help="unpack Debian's Python, on glibc")
    command.set_defaults(call=_debian)

    command = commands.add_parser("official", parents=[fetching], help="build the official image's Python, on musl")
    command.add_argument("--image", default=IMAGE, help=f"whose files, beside Python, are in it ({IMAGE})")
    command.add_argument("--layout", type=Path, default=Path("dist"), help="the OCI layout that images are in")
    command.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="how many compilers at once")
    command.set_defaults(call=_official)

    command = commands.add_parser("show", help="print what a file of --json has")
    command.add_argument("file", type=Path)
    command.add_argument("--draw", type=Path, metavar="FILE.svg", help="draw a chart of the programs")
    command.set_defaults(call=_show)
    return parser


def _compare(told: argparse.Namespace) -> int:
    if told.rounds < 1:
        raise UsageError("there has to be one round")
    cache = cache_folder()
    asked = with_variables(_asked(told.side), told.env)
    base = _base(asked, told.against)
    path = told.json or cache / "bench" / f"pythons-{dt.datetime.now():%Y-%m-%dT%H%M%S}.json"
    with contextlib.ExitStack() as stack:
        sides = [stack.enter_context(opened_side(each, layout=told.layout, cache=cache)) for each in asked]
        measures, sides = _wanted(told, sides, cache)
        record = new_record(
            [side.facts for side in sides], base, programs=programs_version(), dependencies=lock_digest()
        )
        if path.exists():
            if not told.go_on:
                raise UsageError(
                    f"{path} is there already", hint="--continue goes on with what it has; else name a new file"
                )
            record = continued(read_record(path), record)
        write_record(record, path)
        scratch = stack.enter_context(scratch_folder(memory_folder(_ROOM) or cache / "work", "pythons-"))
        try:
            measure_all(
                record, measures, sides, rounds=told.rounds, path=path, scratch=scratch, patience=told.patience,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            )  # fmt: skip
        except KeyboardInterrupt:
            print(f"interrupted; to go on, the same with --continue --json {path}", file=sys.stderr)
            raise
    print(f"values: {path}", file=sys.stderr)
    told.file = path
    return _show(told)


def _debian(told: argparse.Namespace) -> int:
    folder = told.folder or made_folder(cache_folder(), "debian")
    make_debian(
        folder, cache=cache_folder(), mirrors=mirrors_told(told.mirror), progress=Lines(sys.stderr), suite=told.suite
    )
    print(folder)
    return 0


def _official(told: argparse.Namespace) -> int:
    folder = told.folder or made_folder(cache_folder(), "official")
    make_official(
        folder, told.image, layout=told.layout, cache=cache_folder(), mirrors=mirrors_told(told.mirror),
        progress=Lines(sys.stderr), suite=told.suite, jobs=told.jobs,
    )  # fmt: skip
    print(folder)
    return 0


def _show(told: argparse.Namespace) -> int:
    record = read_record(told.file)
    print(report(record))
    if told.draw:
        try:
            write_whole(told.draw, chart(record).encode())
        except OSError as fault:
            raise BivyError(f"the chart {told.draw} cannot be written: {fault.strerror}") from fault
    return 1 if record.failures else 0


def _asked(texts: Sequence[str]) -> list[Asked]:
    found = [parse_side(text) for text in texts or (f"debian={DEBIAN}", f"image={IMAGE}")]
    names = [each.name for each in found]
    if len(found) < 2:
        raise UsageError("a comparison has two sides", hint="give --side twice")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two sides are called {name!r}", hint="NAME=WHAT gives a side another name")
    return found


def _base(asked: Sequence[Asked], against: str | None) -> str:
    if against is None:
        return asked[0].name
    if against not in {each.name for each in asked}:
        raise UsageError(f"there is no side {against!r}", hint=f"there are {', '.join(each.name for each in asked)}")
    return against


def _wanted(told: argparse.Namespace, sides: list[Side], cache: Path) -> tuple[list[Measure], list[Side]]:
    needed = {"programs", "framework"} & set(told.only)
    if needed:
        sides = [with_programs(side, cache=cache, progress=Lines(sys.stderr)) for side in sides]
    programs: list[Program] = []
    if "programs" in told.only and sides[0].programs:
        names = [name for name in told.programs.split(",") if name]
        programs = choose(read_programs(sides[0].programs / FOLDER), names)
    return measures_of(told.only, programs), sides


if __name__ == "__main__":
    main()
