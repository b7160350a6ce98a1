"""Blocks become rectangles in proportion to their bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.page.blocks import Block
from bivy.page.treemap import Area, Shape, draw, fitting, squarify, text_width

sizes = st.lists(st.integers(0, 10**12), max_size=40)
names = st.text(min_size=1, max_size=30)
leaves = st.builds(Block, names, names, st.integers(1, 10**9))
blocks = st.recursive(
    leaves,
    lambda inner: st.lists(inner, min_size=1, max_size=6).flatmap(
        lambda parts: st.builds(Block, names, names, st.just(sum(part.size for part in parts)), st.just(tuple(parts)))
    ),
    max_leaves=20,
)


@given(sizes, st.floats(1, 2000), st.floats(1, 2000))
def test_parts_are_in_proportion_and_inside(found: list[int], width: float, height: float) -> None:
    areas = squarify(found, Area(10, 20, width, height))
    assert len(areas) == len(found)
    total = sum(found)
    for size, area in zip(found, areas, strict=True):
        assert area.x >= 10 - 1e-6
        assert area.y >= 20 - 1e-6
        assert area.x + area.width <= 10 + width + 1e-6
        assert area.y + area.height <= 20 + height + 1e-6
        if total:
            assert area.area == pytest.approx(width * height * size / total, rel=1e-6, abs=1e-3)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_parts_do_not_overlap(found: list[int]) -> None:
    areas = squarify(sorted(found, reverse=True), Area(0, 0, 100, 60))
    for one, other in itertools.combinations(areas, 2):
        across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
        down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
        assert min(across, down) < 1e-6


def test_parts_are_near_to_squares() -> None:
    areas = squarify([6, 6, 4, 3, 2, 2, 1], Area(0, 0, 6, 4))  # the paper's own example
    assert max(max(area.width / area.height, area.height / area.width) for area in areas) < 3
    assert [(round(area.width, 2), round(area.height, 2)) for area in areas[:2]] == [(3, 2), (3, 2)]


@given(st.lists(blocks, max_size=4))
def test_what_is_drawn_lies_within_what_it_is_part_of_and_so_does_what_is_written_on_it(layers: list[Block]) -> None:
    shapes = draw(layers, 1000, 620)
    open_at: dict[int, Shape] = {}
    for shape in shapes:
        area = shape.area
        if shape.depth:
            outer = open_at[shape.depth - 1].area
            assert outer.x - 1e-6 <= area.x
            assert area.x + area.width <= outer.x + outer.width + 1e-6
            assert outer.y - 1e-6 <= area.y
            assert area.y + area.height <= outer.y + outer.height + 1e-6
        open_at[shape.depth] = shape
        for line in shape.lines:
            assert text_width(line.text) <= (area.height if line.turned else area.width)
            assert area.x <= line.x <= area.x + area.width
            assert area.y <= line.y <= area.y + area.height


def test_a_large_block_is_named_with_its_size_a_narrow_one_downwards_a_tiny_one_not() -> None:
    layer = Block("layer", "layer", 1000, (
        Block("large", "large", 900), Block("narrow", "narrow", 99), Block("tiny", "tiny", 1),
    ))  # fmt: skip
    written = {shape.block.label: [line.text for line in shape.lines] for shape in draw([layer], 400, 300)}
    assert written["layer"] == ["layer 1.0 kB"]
    assert written["large"] == ["large", "900 B"]
    assert written["narrow"] == ["narrow 99 B"]
    assert written["tiny"] == []


def test_a_text_that_does_not_fit_loses_its_end_and_is_left_out_where_too_little_is_left() -> None:
    assert fitting("libcrypto.so.3", 1000) == "libcrypto.so.3"
    assert fitting("libcrypto.so.3", 60) == "libcry…"
    assert fitting("libcrypto.so.3", 20) == ""


def test_wide_letters_count_as_wide() -> None:
    assert text_width("日本") > text_width("ab") * 1.5
