"""Stub."""

from __future__ import annotations

from pathlib import Path


def read_manifest(root: Path) -> dict[str, str]:
    """Stub."""
    assert root
    return {}
