"""What is measured: each a program that runs on a side and says how long its parts took."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.pythons.programs import FOLDER
from bench.pythons.sides import INSIDE, PLACE, PROGRAMS, FailedError, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.pythons.programs import Program
    from bench.pythons.sides import Side

KINDS: Final = ("programs", "start", "framework", "threads")
"""What can be measured: pyperformance's programs with their memory, start-up, import of frameworks, threads."""
MODULES: Final = ("json", "logging", "argparse", "dataclasses", "typing", "unittest.mock")
FRAMEWORKS: Final = {
    "fastapi": ("fastapi", "uvicorn.main"),
    "django": ("django.core.management", "django.urls", "django.db.models", "django.http"),
}
"""What is imported of each framework."""
THREADS: Final = (2, 8)
WITHOUT_BYTECODE: Final = {"PYTHONPYCACHEPREFIX": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1"}
"""Variables with which Python finds no bytecode, and compiles what it imports."""
IMPORTS_COMPILED: Final = "imports, no bytecode"
"""The name of the measure that has neither."""
UNFROZEN: Final = (
    "import _imp, importlib.util, io, _frozen_importlib_external as loader; "
    "_imp._override_frozen_modules_for_tests(-1); loader._pack = (None, '', {}, b''); "
)
"""Has Python take no module any more that is frozen into it, or in the image's pack of bytecode (docs/awake.md). Those
that CPython itself freezes are there by then: it starts with them, all but two."""

_STARTS: Final = 10
_SLOW_STARTS: Final = 5
_WORK: Final = 2000
_TIMES: Final = 3
# One process and one value that does not count, then three that do: as pyperf's --fast, but shorter. Rounds make up.
_SETTINGS: Final = ("-p", "1", "-w", "1", "-n", "3", "--quiet", "--copy-env")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run said.

    Attributes:
        parts: The values of each part, in seconds.
        memory: The largest resident size, in bytes; 0 where it is not known.
    """

    parts: Mapping[str, Sequence[float]]
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured on every side.

    Attributes:
        kind: One of `KINDS`.
        name: What the table calls it.
        words: Python's arguments.
        directory: Where it starts.
        environment: Variables besides the side's.
        alone: Whether nothing but what the side brings along is to be seen.
    """

    kind: str
    name: str
    words: Sequence[str]
    directory: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False

    @property
    def key(self) -> str:
        """Its name in a record."""
        return f"{self.kind}/{self.name}"


def measures_of(kinds: Iterable[str], programs: Sequence[Program]) -> list[Measure]:
    """Return what is measured.

    Args:
        kinds: Some of `KINDS`.
        programs: The programs of pyperformance's that are wanted.
    """
    wanted = set(kinds)
    found: list[Measure] = []
    if "programs" in wanted:
        found += map(of_program, programs)
    if "start" in wanted:
        found += starts()
    if "framework" in wanted:
        found += (_start("framework", name, _importing(modules)) for name, modules in FRAMEWORKS.items())
    if "threads" in wanted:
        found += (
            Measure("threads", str(number), [f"{INSIDE}/threads.py", str(number), str(_WORK // number), str(_TIMES)])
            for number in THREADS
        )
    return found


def of_program(program: Program) -> Measure:
    """Return what measures a program of pyperformance's."""
    folder = f"{PROGRAMS}/{FOLDER}/{program.folder}"
    words = [f"{folder}/run_benchmark.py", *program.options, *_SETTINGS, "--output", f"{PLACE}/result.json"]
    return Measure("programs", program.name, words, folder)


def starts() -> list[Measure]:
    """Return what measures start-up: of nothing, of modules that most programs import, of these without bytecode."""
    return [
        _start("start", "pass", "pass"),
        _start("start", "imports", _importing(MODULES)),
        _start("start", IMPORTS_COMPILED, UNFROZEN + _importing(MODULES), WITHOUT_BYTECODE),
    ]


def _start(kind: str, name: str, code: str, environment: Mapping[str, str] | None = None) -> Measure:
    count = _SLOW_STARTS if environment or kind == "framework" else _STARTS
    return Measure(kind, name, [str(count), code], environment=environment or {}, alone=kind == "start")


def _importing(modules: Iterable[str]) -> str:
    return f"import {', '.join(modules)}"


def take(measure: Measure, side: Side, *, scratch: Path, patience: float) -> Measured:
    """Measure once.

    Args:
        measure: What is measured.
        side: On which side.
        scratch: A folder for what it writes, best in memory.
        patience: Seconds that it may take.

    Raises:
        FailedError: It failed, took too long, or said nothing that can be read.
    """
    words, environment = list(measure.words), dict(measure.environment)
    if measure.kind in ("start", "framework"):
        count, code = measure.words
        words = ["-I", "-S", f"{INSIDE}/starts.py", count, side.python, "-c", code]
    if measure.alone:
        environment["PYTHONPATH"] = ""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        place = Path(name)
        said = run(side, words, scratch=place, patience=patience, directory=measure.directory, environment=environment)
        try:
            if measure.kind == "programs":
                return read_pyperf(json.loads((place / "result.json").read_bytes()))
            return _read(json.loads(said))
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise FailedError(f"it ended well, but what it measured cannot be read: {fault!r}") from fault


def _read(said: Any) -> Measured:  # noqa: ANN401 - JSON
    if isinstance(said, list):
        return Measured({"": [float(value) for value in said]})
    return Measured({"": [float(value) for value in said["values"]]}, int(said["memory"]))


def read_pyperf(told: Any) -> Measured:  # noqa: ANN401 - JSON
    """Read what pyperf wrote: values of each part, and the largest resident size (pyperf, "JSON format").

    Raises:
        ValueError: There is no value in it.
        KeyError: It is of another form; so are TypeErrors.
    """
    parts: dict[str, list[float]] = {}
    memory = 0
    shared = told.get("metadata", {})
    for each in told["benchmarks"]:
        own = {**shared, **each.get("metadata", {})}
        values = [float(value) for run_ in each["runs"] for value in run_.get("values", ())]
        if values:
            parts[str(own["name"])] = values
        for run_ in each["runs"]:
            found = {**own, **run_.get("metadata", {})}
            # Of a program that starts others, what they take counts, not what waits for them.
            memory = max(memory, int(found.get("command_max_rss", found.get("mem_max_rss", 0))))
    if not parts:
        raise ValueError("there are no values in it")
    return Measured(parts, memory)
