"""Numbers as people read them."""

from __future__ import annotations


def spell_size(size: float) -> str:
    """Spell a number of bytes for people, with decimal prefixes: ``17.8 MB``."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
