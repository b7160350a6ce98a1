"""stub"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mirrors:
    urls: tuple[str, ...] = ()
