"""The command line: one file a command, arguments in, one call, the result drawn."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    raise SystemExit(0)
