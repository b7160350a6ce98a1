"""The programs that are measured: pyperformance's own, as it lists them, and which of them by default."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FOLDER: Final = "pyperformance/data-files/benchmarks"
"""Where pyperformance's wheel has them."""

_VARIANTS: Final = "one of sixteen variants of one program, of which four are enough"
LEFT_OUT: Final = {
    **{
        f"async_tree_{name}": _VARIANTS
        for name in (
            "cpu_io_mixed_tg", "eager", "eager_cpu_io_mixed", "eager_cpu_io_mixed_tg", "eager_io", "eager_io_tg",
            "eager_memoization", "eager_memoization_tg", "eager_tg", "io", "memoization_tg", "tg",
        )
    },
    "asyncio_tcp_ssl": "measures the kernel and OpenSSL",
    "concurrent_imap": "measures how the machine hands out its cores",
    "dask": "asks the machine for its address, and needs another network than loopback",
    "sqlalchemy_imperative": "is written for SQLAlchemy 1.4, which has no wheels for newer Pythons",
    "sphinx": "writes beside itself, and where it cannot measures how it fails without saying so",
}  # fmt: skip
"""What is measured only when it is named, and why."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program of pyperformance's.

    Attributes:
        name: Its name there, ``pickle_dict``.
        folder: The folder of its script, below `FOLDER`.
        options: What the script is told.
    """

    name: str
    folder: str
    options: tuple[str, ...]


def read_programs(folder: Path) -> dict[str, Program]:
    """Read the list of programs, in its order (pyperformance, "MANIFEST": a name and, for a variant, whose it is).

    Args:
        folder: pyperformance's `FOLDER`, unpacked.

    Raises:
        BivyError: It is not there, or is of another form.
    """
    try:
        lines = (folder / "MANIFEST").read_text("utf-8").splitlines()
        pairs = [line.split() for line in lines if "<local" in line and not line.startswith("#")]
        return {name: _program(folder, name, where) for name, where in pairs}
    except (OSError, ValueError, TypeError, StopIteration) as fault:
        raise BivyError(f"the programs in {folder} cannot be read: {fault}") from fault


def _program(folder: Path, name: str, where: str) -> Program:
    base = where.removeprefix("<local").removesuffix(">").removeprefix(":") or name
    own = folder / f"bm_{base}" / (f"bm_{name}.toml" if base != name else "pyproject.toml")
    if not own.exists():  # the variant's names for its parts are in another order than its file's
        own = next(path for path in own.parent.glob("bm_*.toml") if _said(path).get("name") == name)
    options = _said(own).get("extra_opts", [])
    if not isinstance(options, list):
        raise TypeError(f"{own}: extra_opts is no list")
    return Program(name, f"bm_{base}", tuple(map(str, options)))


def _said(path: Path) -> Mapping[str, object]:
    table = tomllib.loads(path.read_text("utf-8")).get("tool", {}).get("pyperformance", {})
    return table if isinstance(table, dict) else {}


def choose(programs: Mapping[str, Program], names: Sequence[str]) -> list[Program]:
    """Return the programs that a person names, ``all`` being every one; without names, all that are not `LEFT_OUT`.

    Raises:
        UsageError: There is no such program.
    """
    if not names:
        return [program for name, program in programs.items() if name not in LEFT_OUT]
    if "all" in names:
        return list(programs.values())
    for name in names:
        if name not in programs:
            near = difflib.get_close_matches(name, programs, 3)
            raise UsageError(
                f"there is no program {name!r}",
                hint=f"is it {' or '.join(near)}?" if near else f"there are {', '.join(programs)}",
            )
    return [programs[name] for name in dict.fromkeys(names)]
