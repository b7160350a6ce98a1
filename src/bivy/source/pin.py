"""stub"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    sha256: str
    url: str = ""
    debian: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    version: str
    places: tuple[Place, ...]
