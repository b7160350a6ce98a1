"""The Pythons that are compared: where each one's files are, and a sandbox for each, the same for all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.pythons.debian import read_manifest
from bench.pythons.record import Facts
from bivy.arch import build_machine
from bivy.errors import BivyError, UsageError
from bivy.oci.open import opened
from bivy.run.inside import Inside
from bivy.run.unpacked import in_use
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, sandbox_hint, why_no_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PLACE: Final = "/tmp"
"""Where a program finds what is not the side's own, and writes: a folder that every root has."""
PROGRAMS: Final = f"{PLACE}/programs"
"""Where the programs that are measured are, with all that they need."""
INSIDE: Final = f"{PLACE}/inside"
"""Where this bench's own programs are."""
SYSTEM: Final = "system"
"""The name of this machine's own Python."""
MADE: Final = ("debian", "official")
"""Names of sides that commands of this bench make, where no other folder was told."""

_PATH: Final = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
_INSIDE: Final = Path(__file__).parent / "inside"
_FOLDERS: Final = ("usr/local/bin", "usr/bin", "bin")
_PATIENCE: Final = 60
_LINES: Final = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A side as a person names it.

    Attributes:
        name: What the table calls it.
        what: An image, a folder with or without the path of a Python in it, ``system``, or one of `MADE`.
        environment: Variables that it gets besides.
    """

    name: str
    what: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """A Python that runs here.

    Attributes:
        root: The folder that it sees as ``/``.
        python: The path of its interpreter inside.
        facts: What it is.
        programs: The folder with the programs that are measured, for its Python and C library; ``None`` where none of
            them needs it.
    """

    root: Path
    python: str
    facts: Facts
    programs: Path | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.facts.name


class FailedError(Exception):
    """A program failed on a side; the message is the last lines of what it wrote."""


def parse_side(text: str) -> Asked:
    """Read ``NAME=WHAT``, or ``WHAT`` alone, which is its own name.

    Raises:
        UsageError: One of the two is empty.
    """
    name, equals, what = text.partition("=")
    if not equals:
        what = name
    if not name or not what:
        raise UsageError(
            f"{text!r} names no side", hint="NAME=WHAT, such as debian=/some/folder or image=python:3.14-alpine"
        )
    return Asked(name, what)


def with_variables(sides: Sequence[Asked], told: Sequence[str]) -> list[Asked]:
    """Return sides with variables, each told as ``NAME:VARIABLE=VALUE``.

    Raises:
        UsageError: One of them is nothing of that, or is for a side that there is not.
    """
    found = {side.name: side for side in sides}
    for text in told:
        pair, equals, value = text.partition("=")
        name, colon, variable = pair.rpartition(":")
        if not equals or not colon or not variable:
            raise UsageError(
                f"{text!r} is no variable of a side", hint="NAME:VARIABLE=VALUE, such as image:PYTHONMALLOC=malloc"
            )
        if name not in found:
            raise UsageError(
                f"{text!r} is for {name!r}, and there is no such side", hint=f"there are {', '.join(found)}"
            )
        found[name] = replace(found[name], environment={**found[name].environment, variable: value})
    return list(found.values())


@contextlib.contextmanager
def opened_side(asked: Asked, *, layout: Path, cache: Path) -> Iterator[Side]:
    """Make a side ready to run; it can be used as long as the block lasts.

    Args:
        asked: What the person named.
        layout: The OCI layout that plain names of images are in.
        cache: bivy's cache folder.

    Raises:
        UsageError: There is no such image or folder, or no Python in it.
        BivyError: No sandbox can be had here, or the Python does not run.
    """
    if why := why_no_sandbox():
        raise BivyError(f"Pythons are compared in sandboxes, and none can be had: {why}", hint=sandbox_hint())
    with contextlib.ExitStack() as stack:
        digest, packages = "", {}
        if asked.what == SYSTEM:
            root, python = Path("/"), _system_python()
        elif asked.what in MADE:
            root, python = made_folder(cache, asked.what), ""
            if not root.is_dir():
                raise UsageError(
                    f"there is no {asked.what} side yet", hint=f"make it with: python -m bench.pythons {asked.what}"
                )
            packages = read_manifest(root)
        elif split := _split_folder(asked.what):
            root, python = split
            packages = read_manifest(root)
        else:
            platform = build_machine().platform
            image = stack.enter_context(opened(asked.what, layout=layout, platform=platform, cache=cache))
            root, python, digest = stack.enter_context(in_use(image, cache)), "", image.digest
        python = python or find_python(root)
        bare = Facts(
            name=asked.name, what=asked.what, version="", build="", libc="", machine="", digest=digest,
            packages=packages, environment=dict(asked.environment),
        )  # fmt: skip
        yield _known(Side(root, python, bare))


def made_folder(cache: Path, name: str) -> Path:
    """Return the folder of a side that a command of this bench makes.

    Args:
        cache: bivy's cache folder.
        name: One of `MADE`.
    """
    return cache / "bench" / name


def find_python(root: Path) -> str:
    """Return the path of a root's Python 3: that in /usr/local before that in /usr, ``python3`` before others.

    Raises:
        UsageError: There is none.
    """
    inside = Inside(root)
    for folder in _FOLDERS:
        names = [
            path.name
            for path in (root / folder).glob("python3*")
            if path.name[7:].replace(".", "").isdigit() or path.name == "python3"
        ]
        for name in sorted(names, key=_newest_first):
            # A link may lead to an absolute path, which is one of the root's.
            if os.access(inside.outside(f"/{folder}/{name}"), os.X_OK):
                return f"/{folder}/{name}"
    raise UsageError(f"there is no Python in {root}", hint="say where it is: NAME=FOLDER:/usr/bin/python3.14")


def _newest_first(name: str) -> tuple[int, list[int]]:
    numbers = [int(number) for number in name.removeprefix("python").split(".") if number.isdigit()]
    return len(numbers), [-number for number in numbers]


def _split_folder(what: str) -> tuple[Path, str] | None:
    """Return a folder and the path of the Python in it, or ``None`` where it is not a folder that is named."""
    folder, colon, python = what.rpartition(":/")
    if colon and Path(folder).is_dir():
        if not os.access(Inside(Path(folder).absolute()).outside(f"/{python}"), os.X_OK):
            raise UsageError(f"there is no program /{python} in {folder}")
        return Path(folder).absolute(), f"/{python}"
    return (Path(what).absolute(), "") if Path(what).is_dir() else None


def _system_python() -> str:
    found = shutil.which("python3", path=_PATH)
    if not found:
        raise UsageError("this machine has no python3 of its own", hint="name an image or a folder instead")
    return found


def _known(side: Side) -> Side:
    with tempfile.TemporaryDirectory(prefix="bivy-bench-") as scratch:
        try:
            told: dict[str, Any] = json.loads(
                run(side, ["-I", f"{INSIDE}/facts.py"], scratch=Path(scratch), patience=_PATIENCE)
            )
        except FailedError as fault:
            raise BivyError(
                f"the Python of {side.name} ({side.facts.what}) does not run: {fault}",
                hint=f"it is {side.python} in {side.root}",
            ) from fault
    known = {
        name: value
        for name in ("version", "build", "libc", "machine", "options")
        if isinstance(value := told[name], str)
    }
    return replace(side, facts=Facts(**{**_fields(side.facts), **known}))


def _fields(facts: Facts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in facts.__struct_fields__}


def run(
    side: Side, words: Sequence[str], *, scratch: Path, patience: float, directory: str = "/",
    environment: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """Run a side's Python in a sandbox and return what it writes to its standard output.

    Its files, the programs and this bench's cannot be written to, so that each start is as in a fresh container.

    Args:
        side: The side.
        words: Python's arguments.
        scratch: The folder that is `PLACE` inside; an empty one.
        patience: Seconds that it may take.
        directory: Where it starts.
        environment: Variables besides the side's.

    Raises:
        FailedError: It ended with another status than 0, or took too long.
    """
    bubblewrap = find_bubblewrap()
    assert bubblewrap is not None
    binds = [Bind(side.root, "/"), Bind(scratch, PLACE, writable=True)]
    for source, target in ((side.programs, PROGRAMS), (_INSIDE, INSIDE)):
        if source:
            (scratch / target.removeprefix(f"{PLACE}/")).mkdir(exist_ok=True)
            binds.append(Bind(source, target))
    # One seed for the hashes of texts: the order of a set is then the same in every run, and on every side.
    variables = {
        "PATH": _PATH, "HOME": PLACE, "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "1",
        **({"PYTHONPATH": PROGRAMS} if side.programs else {}), **(environment or {}), **side.facts.environment,
    }  # fmt: skip
    sandbox = Sandbox(binds, empty=(), environment=variables, directory=directory)
    command = sandbox.command(bubblewrap, [side.python, *words])
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=patience,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as fault:
        raise FailedError(f"took longer than {patience:.0f} s") from fault
    if done.returncode:
        raise FailedError(last_lines(done.stderr) or last_lines(done.stdout) or f"ended with status {done.returncode}")
    return done.stdout


def last_lines(text: str) -> str:
    """Return the last lines of what a program wrote; where pyperf gave up because its worker did, the worker's."""
    before, traceback, after = text.rpartition("Traceback (most recent call last):\n")
    if traceback and before.strip() and "in spawn_worker\n" in after:
        text = before
    return "\n".join(text.strip().splitlines()[-_LINES:])
