"""What packaging's standards fix: a name's one form, how source archives end, what builds who names no backend."""

from __future__ import annotations

import re

ENDINGS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
"""How the file names of source archives end: today's (PEP 625), and those before it."""
LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
"""What builds a project that names no backend (PEP 517, "Source trees")."""
LEGACY_REQUIRES = ("setuptools>=40.8.0",)
"""What building such a project requires."""


def normalised(name: str) -> str:
    """Return a distribution's name, or that of an extra or a group, in its one form (PEP 503, PEP 685, PEP 735)."""
    return re.sub(r"[-_.]+", "-", name).lower()
