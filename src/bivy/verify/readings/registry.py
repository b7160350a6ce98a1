"""The readings of an image's bytes, by the names that checks call them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bivy.verify.subject import Subject

Needs = Literal["image", "tree", "packages"]
"""What a reading looks at: the documents and blobs alone, the files, or the files and the package database."""

READINGS: dict[str, Reading] = {}
"""All readings, by name."""

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reading goes by that goes by nothing but the image."""


class Except(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files that a check passes over, and why.

    Attributes:
        path: A pattern of their paths (`bivy.verify.paths`).
        why: The reason.
    """

    path: str
    why: str


class CannotBeMadeError(Exception):
    """A check cannot be made of this image; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to look at an image's bytes.

    Attributes:
        find: Yields what is the matter, a line each; raises `CannotBeMadeError` where there is nothing to look at.
        settings: What it goes by.
        needs: What it looks at.
    """

    find: Callable[[Subject, Any], Iterable[str]]
    settings: type[msgspec.Struct]
    needs: Needs


def reading(
    name: str, settings: type[_Settings], *, needs: Needs
) -> Callable[[Callable[[Subject, _Settings], Iterable[str]]], Callable[[Subject, _Settings], Iterable[str]]]:
    """Register a reading under the name that checks call it."""

    def register(find: Callable[[Subject, _Settings], Iterable[str]]) -> Callable[[Subject, _Settings], Iterable[str]]:
        READINGS[name] = Reading(find, settings, needs)
        return find

    return register
