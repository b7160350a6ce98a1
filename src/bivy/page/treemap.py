"""Blocks become rectangles whose areas are in proportion to their bytes: a squarified treemap.

The method is that of M. Bruls, K. Huizing and J. J. van Wijk, "Squarified Treemaps" (2000).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.units import spell_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bivy.page.blocks import Block

# In the units of the picture, which are CSS pixels where it is shown at its full width.
_FONT: Final = 12.0
_LINE: Final = 15.0
_HEAD: Final = 21.0
_GAP: Final = 2.0
_PADDING: Final = 5.0
# How wide letters are, as parts of the font's size, in a font that is wider than most (DejaVu Sans, half bold).
_NARROW_LETTERS: Final = frozenset("iljtfrI.,:;'|!()[]/- ")
_BROAD_LETTERS: Final = frozenset("mwMWOQGD%@&…")
_NARROW: Final = 0.44
_USUAL: Final = 0.67
_CAPITAL: Final = 0.78
_BROAD: Final = 1.05
_FEWEST: Final = 4


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the picture: its left upper corner, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """What it covers."""
        return self.width * self.height

    def inset(self, top: float, rest: float) -> Area:
        """Return what is left within a border."""
        width, height = max(0.0, self.width - 2 * rest), max(0.0, self.height - top - rest)
        return Area(self.x + rest, self.y + top, width, height)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in the picture.

    Attributes:
        x: Where it starts.
        y: The height of its baseline there.
        text: The text, which fits.
        turned: Whether it runs downwards.
    """

    x: float
    y: float
    text: str
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A block in the picture.

    Attributes:
        block: What it is.
        layer: The number of its layer in the picture, from 0.
        depth: 0 for a layer, 1 for a package, 2 for files.
        area: Where it is.
        lines: What is written on it.
        parents: What it is part of, from the outermost.
    """

    block: Block
    layer: int
    depth: int
    area: Area
    lines: tuple[Line, ...]
    parents: tuple[str, ...] = ()


def draw(layers: Sequence[Block], width: float, height: float) -> tuple[Shape, ...]:
    """Lay out blocks within blocks, those that are outside first.

    Args:
        layers: The layers of an image.
        width: The picture's width.
        height: The picture's height.
    """
    areas = squarify([block.size for block in layers], Area(0, 0, width, height))
    return tuple(
        shape
        for number, (block, area) in enumerate(zip(layers, areas, strict=True))
        for shape in _shapes(block, area, number, 0, ())
    )


def _shapes(block: Block, area: Area, layer: int, depth: int, parents: tuple[str, ...]) -> Iterator[Shape]:
    room = area.inset(_HEAD if depth else _HEAD + 1, _GAP + 1)
    opened = len(block.blocks) > (depth > 0) and room.width > 3 * _FONT and room.height > 1.5 * _LINE
    lines = _written(block, area, one=opened)
    yield Shape(block, layer, depth, area, lines, parents)
    if opened:
        inner = squarify([each.size for each in block.blocks], room)
        for each, place in zip(block.blocks, inner, strict=True):
            gap = min(_GAP, place.width / 3, place.height / 3) / 2
            yield from _shapes(each, place.inset(gap, gap), layer, depth + 1, (*parents, block.label))


def _written(block: Block, area: Area, *, one: bool) -> tuple[Line, ...]:
    """Return the lines that fit on a block: its name, and its size beside or below it."""
    size = spell_size(block.size)
    left, first = area.x + _PADDING, area.y + _LINE
    room = area.width - 2 * _PADDING
    low = one or area.height < 2 * _LINE + 5
    if area.height < _LINE + 3:
        return ()
    together = f"{block.label} {size}"
    if low and text_width(together) <= room:
        return (Line(left, first, together),)
    name = fitting(block.label, room)
    if not name or (len(name) < len(block.label) and area.height > 2 * area.width):
        return _turned(block.label, together, area) if not one else ()
    if low or text_width(size) > room:
        return (Line(left, first, name),)
    return (Line(left, first, name), Line(left, first + _LINE, size))


def _turned(label: str, together: str, area: Area) -> tuple[Line, ...]:
    """Return a line that runs down a block which is too narrow for one across."""
    room = area.height - 2 * _PADDING
    text = together if text_width(together) <= room else fitting(label, room)
    if not text or area.width < _LINE:
        return ()
    return (Line(area.x + area.width / 2 - _FONT * 0.35, area.y + _PADDING, text, turned=True),)


def text_width(text: str) -> float:
    """Estimate the width of a text in the picture, rather too large."""
    return _FONT * sum(map(_letter_width, text))


def _letter_width(letter: str) -> float:
    if letter in _NARROW_LETTERS:
        return _NARROW
    if letter in _BROAD_LETTERS or unicodedata.east_asian_width(letter) in "WF":
        return _BROAD
    return _CAPITAL if letter.isupper() or not letter.isascii() else _USUAL


def fitting(text: str, room: float) -> str:
    """Return a text that fits into a width, without its end if need be; nothing where it would be no word any more."""
    if text_width(text) <= room:
        return text
    for kept in range(len(text) - 1, _FEWEST - 1, -1):
        short = f"{text[:kept].rstrip()}…"
        if text_width(short) <= room:
            return short
    return ""


def squarify(sizes: Sequence[float], area: Area) -> list[Area]:
    """Divide an area among sizes so that the parts are as near to squares as can be.

    Args:
        sizes: The sizes, none negative; largest first gives the best result.
        area: The area.

    Returns:
        A part for each size, in their order; together they cover the area.
    """
    total = sum(sizes)
    if total <= 0 or area.area <= 0:
        return [Area(area.x, area.y, 0.0, 0.0) for _ in sizes]
    scaled = [size * area.area / total for size in sizes]
    found: list[Area] = []
    at, left = 0, area
    while at < len(scaled):
        end = _row_end(scaled, at, min(left.width, left.height))
        row = scaled[at:end]
        placed, left = _lay(row, left, last=end == len(scaled))
        found += placed
        at = end
    return found


def _row_end(sizes: Sequence[float], start: int, side: float) -> int:
    """Return where a row ends that grows as long as its worst part gets no longer or narrower by it."""
    end, worst = start + 1, _worst(sizes[start : start + 1], side)
    while end < len(sizes):
        next_worst = _worst(sizes[start : end + 1], side)
        if next_worst > worst:
            break
        end, worst = end + 1, next_worst
    return end


def _worst(row: Sequence[float], side: float) -> float:
    """Return the largest ratio of the sides of a row's parts."""
    total, smallest, largest = sum(row), min(row), max(row)
    if smallest <= 0 or side <= 0:
        return float("inf")
    return max(side * side * largest / (total * total), total * total / (side * side * smallest))


def _lay(row: Sequence[float], area: Area, *, last: bool) -> tuple[list[Area], Area]:
    """Lay a row along the shorter side, and return its parts and what is left."""
    total = sum(row)
    across = area.width >= area.height
    side = area.height if across else area.width
    depth = (area.width if across else area.height) if last else (total / side if side else 0.0)
    placed, offset = [], 0.0
    for size in row:
        length = side * size / total if total else 0.0
        if across:
            placed.append(Area(area.x, area.y + offset, depth, length))
        else:
            placed.append(Area(area.x + offset, area.y, length, depth))
        offset += length
    if across:
        return placed, Area(area.x + depth, area.y, max(0.0, area.width - depth), area.height)
    return placed, Area(area.x, area.y + depth, area.width, max(0.0, area.height - depth))
