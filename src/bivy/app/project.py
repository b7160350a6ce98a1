"""A folder or a script becomes a project: all that is to be known of it before its image is made, read and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bivy.app.values import Project


def read_project(where: Path, told: Mapping[str, object] | None = None) -> Project:
    """Read a project. None of its code is run.

    Args:
        where: Its folder, its ``pyproject.toml``, or a script.
        told: What the command line says, by the names of `AppOptions`: it goes before what the project says. A list
            takes the place of the project's, names in a table are added to its.

    Raises:
        UsageError: It is no project, or something that it or the command line says is wrong; the message has file,
            line and key.
        BivyError: A file of it cannot be read, or cannot be part of an image.
    """
    raise NotImplementedError(where, told)
