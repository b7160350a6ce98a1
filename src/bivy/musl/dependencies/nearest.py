"""The names that somebody may have meant who wrote one that no index has (`names.toml`)."""

from __future__ import annotations

import functools
import tomllib
from importlib.resources import files
from typing import Final

from bivy.musl.dependencies.known import known_distributions

_LIKENESS: Final = 0.75


def nearest_names(name: str) -> tuple[str, ...]:
    """Return up to three names that may be meant instead of a normalised one, the likeliest first."""
    import difflib

    imports, asked = _names()
    meant = imports.get(name) or imports.get(name.removeprefix("python-")) or imports.get(name.removesuffix("-python"))
    if meant:
        return (meant,)
    known = sorted({*asked, *known_distributions(), *imports.values()} - {name})
    return tuple(difflib.get_close_matches(name, known, 3, _LIKENESS))


@functools.cache
def _names() -> tuple[dict[str, str], tuple[str, ...]]:
    table = tomllib.loads(files("bivy.musl.dependencies").joinpath("names.toml").read_text("utf-8"))
    return table["imports"], tuple(table["much-asked-for"]["names"])
