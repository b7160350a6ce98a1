"""What is known of single distributions and no file of theirs says (`known.toml`)."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one distribution.

    Attributes:
        compilers: Which compilers it is compiled with.
        packages: Alpine's packages that the build needs.
        tools: Programs that the build runs.
        compiles: Whether it is compiled: ``yes``, ``no``, ``optional`` (where it can be), or empty.
        large: The megabytes of its source archive where that is too much to fetch for a question, else 0.
        instead: What is usually taken in its place, as requirements.
        why: A sentence on that.
        known_from: Where this is written down.
    """

    compilers: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    compiles: str = ""
    large: int = 0
    instead: tuple[str, ...] = ()
    why: str = ""
    known_from: str = ""


@functools.cache
def known_distributions() -> Mapping[str, Known]:
    """Return what is known, by normalised name."""
    table = tomllib.loads(files("bivy.musl.dependencies").joinpath("known.toml").read_text("utf-8"))
    return MappingProxyType({name: _known(entry) for name, entry in table.items()})


def _known(entry: dict[str, object]) -> Known:
    def texts(key: str) -> tuple[str, ...]:
        value = entry.pop(key, [])
        if not isinstance(value, list):
            raise TypeError(f"{key} is a list")
        return tuple(map(str, value))

    compiles, large = entry.pop("compiles", ""), entry.pop("large", 0)
    known = Known(
        texts("compilers"),
        texts("packages"),
        texts("tools"),
        {True: "yes", False: "no"}.get(compiles, "") if isinstance(compiles, bool) else str(compiles),
        large if isinstance(large, int) else 0,
        texts("instead"),
        str(entry.pop("why", "")),
        str(entry.pop("known-from")),
    )
    if entry:
        raise TypeError(f"known.toml has keys that mean nothing: {', '.join(entry)}")
    return known
