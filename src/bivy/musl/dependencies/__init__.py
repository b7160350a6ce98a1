"""How each distribution gets onto musl: locks read or made, and a verdict for every distribution in them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bivy.musl.dependencies.ask import (
        Terms,
        ask_project,
        ask_requirements,
        ask_requirements_file,
        ask_requires_dist,
        ask_script,
        read_lock,
    )
    from bivy.musl.dependencies.check import check_distributions
    from bivy.musl.dependencies.lock import Lock
    from bivy.musl.dependencies.resolve import Resolution
    from bivy.musl.dependencies.uvlock import Wanted

__all__ = [
    "Lock",
    "Resolution",
    "Terms",
    "Wanted",
    "ask_project",
    "ask_requirements",
    "ask_requirements_file",
    "ask_requires_dist",
    "ask_script",
    "check_distributions",
    "read_lock",
]

_HOMES = {"Lock": "lock", "Resolution": "resolve", "Wanted": "uvlock", "check_distributions": "check"}


def __getattr__(name: str) -> object:
    # Who wants one of them, such as the reading of a requirements file, need not wait for the others (PEP 562).
    if name not in __all__:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'ask')}"), name)
