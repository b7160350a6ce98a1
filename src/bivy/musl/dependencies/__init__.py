"""How each distribution gets onto musl: locks read or made, and a verdict for every distribution in them."""

from bivy.musl.dependencies.ask import (
    Terms,
    ask_project,
    ask_requirements,
    ask_requirements_file,
    ask_requires_dist,
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
    "check_distributions",
    "read_lock",
]
