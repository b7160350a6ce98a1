"""What was measured, in a file: every value, with what it was measured on, so that a run can go on where it ended."""

from __future__ import annotations

import datetime as dt
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.errors import BivyError, UsageError
from bivy.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a side is, as its own Python says.

    Attributes:
        name: What the table calls it.
        what: What the person named.
        version: Python's version, ``3.14.7``.
        build: All that ``sys.version`` says.
        libc: The C library and its version, ``musl 1.2.6``.
        machine: What ``uname -m`` says.
        options: How Python was configured (``CONFIG_ARGS``).
        digest: The image's, where it is one.
        packages: The packages that were unpacked, with their versions, where it is a folder that says so.
        environment: Variables that it was given besides.
    """

    name: str
    what: str
    version: str
    build: str
    libc: str
    machine: str
    options: str = ""
    digest: str = ""
    packages: dict[str, str] = {}
    environment: dict[str, str] = {}

    @property
    def series(self) -> str:
        """The version without its last number, ``3.14``."""
        return ".".join(self.version.split(".")[:2])


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of a program on a side.

    Attributes:
        round: The round's number, from 0.
        date: When it ended, in UTC.
        parts: The values of each part, in seconds.
        memory: The largest resident size of a process that was measured, in bytes; 0 where that is not known.
    """

    round: int
    date: str
    parts: dict[str, list[float]]
    memory: int = 0


class Record(msgspec.Struct, kw_only=True):
    """All that was measured.

    Attributes:
        format: The number of this format.
        date: When it was begun, in UTC.
        processor: The machine's processor.
        cores: How many it has.
        kernel: The kernel's name and version.
        programs: pyperformance's version; empty where none of its programs was wanted.
        dependencies: The digest of the file that says what the programs need.
        base: The name of the side that ratios are of.
        sides: The sides, in order.
        runs: The runs, by measure (``program/2to3``) and side.
        failures: The last lines of what failed, by measure and side.
    """

    format: int
    date: str
    processor: str
    cores: int
    kernel: str
    programs: str
    dependencies: str
    base: str
    sides: list[Facts]
    runs: dict[str, dict[str, list[Run]]] = msgspec.field(default_factory=dict)
    failures: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)

    def has(self, measure: str, side: str, number: int) -> bool:
        """Tell whether a side was measured in a round."""
        return any(run.round == number for run in self.runs.get(measure, {}).get(side, ()))

    def add(self, measure: str, side: str, run: Run) -> None:
        """Add what was measured."""
        self.runs.setdefault(measure, {}).setdefault(side, []).append(run)

    def fail(self, measure: str, side: str, lines: str) -> None:
        """Note that a measure cannot be had of a side."""
        self.failures.setdefault(measure, {})[side] = lines

    def rounds(self, measure: str, side: str) -> dict[int, dict[str, float]]:
        """Return the least value of each part, by round."""
        runs = self.runs.get(measure, {}).get(side, ())
        return {run.round: {part: min(values) for part, values in run.parts.items()} for run in runs}

    def memory(self, measure: str, side: str) -> dict[int, dict[str, float]]:
        """Return the memory in the form that `rounds` has."""
        return {run.round: {"": run.memory} for run in self.runs.get(measure, {}).get(side, ()) if run.memory}

    def others(self) -> list[str]:
        """Return the names of all sides but the base."""
        return [side.name for side in self.sides if side.name != self.base]


def new_record(sides: list[Facts], base: str, *, programs: str, dependencies: str) -> Record:
    """Return a record of this machine with nothing measured yet."""
    return Record(
        format=FORMAT, date=now(), processor=processor(), cores=len(os.sched_getaffinity(0)),
        kernel=f"{platform.system()} {platform.release()}", programs=programs, dependencies=dependencies, base=base,
        sides=sides,
    )  # fmt: skip


def read_record(path: Path) -> Record:
    """Read a record.

    Raises:
        BivyError: The file is not there, or no record.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Record)
    except OSError as fault:
        raise BivyError(f"the record {path} cannot be read: {fault.strerror}") from fault
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise BivyError(f"{path} is not a record of measurements: {fault}") from fault
    if found.format != FORMAT:
        raise BivyError(f"the record {path} has format {found.format}, not {FORMAT}", hint="measure anew")
    if found.base not in {side.name for side in found.sides}:
        raise BivyError(f"the record {path} has no side called {found.base!r}, which its ratios are of")
    return found


def write_record(record: Record, path: Path) -> None:
    """Write a record, whole or not at all.

    Raises:
        BivyError: It cannot be written.
    """
    try:
        write_whole(path, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    except OSError as fault:
        raise BivyError(f"the record {path} cannot be written: {fault.strerror}") from fault


def continued(old: Record, new: Record) -> Record:
    """Return a record to go on with: that of an earlier run, where both are of the same thing.

    What failed is tried again.

    Raises:
        UsageError: They are of different sides, programs or machines.
    """
    for what, before, after in (
        ("sides", old.sides, new.sides),
        ("programs", (old.programs, old.dependencies), (new.programs, new.dependencies)),
        ("machine", (old.processor, old.cores), (new.processor, new.cores)),
    ):
        if before != after:
            raise UsageError(
                f"the record is of other {what}: {_differing(before, after)}",
                hint="values of both in one record could not be compared: measure into a new file",
            )
    return msgspec.structs.replace(old, base=new.base, failures={})


def _differing(before: object, after: object) -> str:
    if isinstance(before, list) and isinstance(after, list):
        names = [[each.name for each in sides] for sides in (before, after)]
        if names[0] != names[1]:
            return f"{', '.join(names[0])}; now {', '.join(names[1])}"
        one, other = next((one, other) for one, other in zip(before, after, strict=True) if one != other)
        fields: Mapping[str, object] = msgspec.structs.asdict(other)
        name = next(name for name in fields if getattr(one, name) != getattr(other, name))
        return f"{one.name} has {name} {getattr(one, name)}, now {getattr(other, name)}"
    return f"{before}, now {after}"


def now() -> str:
    """Return the time, in UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def processor(information: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the machine's processor, as the kernel has it (proc(5))."""
    try:
        for line in information.read_text().splitlines():
            name, colon, value = line.partition(":")
            if colon and name.strip() in ("model name", "Model", "cpu model"):
                return value.strip()
    except OSError:
        pass
    return platform.machine()
