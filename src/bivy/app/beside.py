"""Files beside a project's package: a wheel does not hold them, and some programs look for them where they start."""

from __future__ import annotations

import configparser
import json
import posixpath
from typing import TYPE_CHECKING, Final

from bivy.app.patterns import make_patterns
from bivy.errors import UsageError
from bivy.tables import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bivy.app.values import ProjectFile

_LOOKED_FOR: Final = ("manage.py", "alembic.ini", "gunicorn.conf.py")
"""What Django's, Alembic's and gunicorn's programs look for in the folder that they start in."""


def included(files: Sequence[ProjectFile], patterns: Sequence[str]) -> tuple[ProjectFile, ...]:
    """Return the files that patterns mean, which are those of ``.gitignore``."""
    meant = make_patterns(patterns)
    return tuple(file for file in files if meant.include(file.path)) if patterns else ()


def meaningless(files: Sequence[ProjectFile], patterns: Sequence[str]) -> str:
    """Return the first of some patterns that means no file; empty where each means one."""
    wanted = (each for each in patterns if not each.startswith("!"))
    return next((each for each in wanted if not included(files, [each])), "")


def usual(root: Path, files: Sequence[ProjectFile]) -> tuple[str, ...]:
    """Return patterns for those files of a project's that programs look for where they start.

    Args:
        root: The project's folder.
        files: What belongs to it.
    """
    paths = {file.path for file in files}
    found: list[str] = [name for name in _LOOKED_FOR if name in paths]
    if "alembic.ini" in found:
        folder = _migrations(root / "alembic.ini")
        if folder and any(path.startswith(f"{folder}/") for path in paths):
            found.append(f"{folder}/")
    return tuple(f"/{each}" for each in found)


def _migrations(path: Path) -> str:
    """Return the folder that Alembic's settings name (Alembic's tutorial, "Editing the .ini File"); empty for none."""
    reader = configparser.RawConfigParser()
    try:
        reader.read_string(read_text(path))
        told = reader.get("alembic", "script_location", fallback="")
    except (configparser.Error, UsageError):  # Alembic will say so
        return ""
    folder = posixpath.normpath(told.strip().replace("%(here)s/", ""))
    return "" if folder.startswith(("/", "..")) or folder == "." or ":" in folder else folder


def line_of_include(patterns: Sequence[str]) -> str:
    """Return the line of ``[tool.bivy]`` that adds what patterns mean."""
    return f"include = {json.dumps(patterns)}"
