"""Text from anywhere as Markdown that means nothing else: CommonMark 0.31 with GitHub's tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bivy.musl.render.summary import flat

if TYPE_CHECKING:
    from collections.abc import Sequence

# What has a meaning wherever it stands (an underscore not within a word), and what has one at the start of a line.
_MARKS: Final = re.compile(r"[\\`*\[\]<>|&~$]|(?<![^\W_])_|_(?![^\W_])")
_AT_START: Final = re.compile(r"^(\d{0,9})([-+.)](?=\s|$)|[#=]|-(?=-)|:(?=-))")
# What docker-library/docs replaces in its files.
_PLACEHOLDER: Final = re.compile(r"%(?=%)")
_LONGEST: Final = 160


def prose(text: str, longest: int = _LONGEST) -> str:
    """Return text from anywhere so that it reads as it is, on one line, in a cell of a table too.

    Args:
        text: The text.
        longest: How many characters are kept.
    """
    escaped = _MARKS.sub(lambda found: f"\\{found[0]}", clip(text, longest))
    return _PLACEHOLDER.sub(r"%\\", _AT_START.sub(r"\1\\\2", escaped))


def code(text: str, longest: int = _LONGEST) -> str:
    """Return text from anywhere as code, on one line, in a cell of a table too; nothing where it is empty."""
    short = clip(text, longest)
    if not short:
        return ""
    # A bar ends a cell even in code, and how it is escaped there depends on the reader.
    return f"`{short}`" if not set(short) & set("`|\\") and "%%" not in short else prose(short)


def clip(text: str, longest: int) -> str:
    """Return text on one line, with nothing in it that a terminal or a page obeys, and its end cut off if need be."""
    whole = flat(text)
    return whole if len(whole) <= longest else f"{whole[: longest - 1].rstrip()}…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Lay out a table.

    Args:
        head: The columns' names.
        rows: The cells, as Markdown.
        numbers: The columns that are set flush right.
    """
    widths = [max(3, *(len(row[column]) for row in (head, *rows))) for column in range(len(head))]
    rule = [f"{'-' * (width + 1)}:" if column in numbers else "-" * (width + 2) for column, width in enumerate(widths)]
    return "\n".join(
        [_row(head, widths, numbers), f"|{'|'.join(rule)}|", *(_row(row, widths, numbers) for row in rows)]
    )


def _row(cells: Sequence[str], widths: Sequence[int], numbers: Sequence[int]) -> str:
    laid = [
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(laid)} |"
