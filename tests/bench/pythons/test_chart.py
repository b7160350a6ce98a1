"""The chart is SVG with a row a program, in the order of the ratios."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from bench.pythons.chart import chart

from bivy.errors import BivyError
from tests.bench.pythons.records import record

SVG = "{http://www.w3.org/2000/svg}"


def drawn(values: dict[str, dict[str, list[float]]]) -> ET.Element:
    return ET.fromstring(chart(record({f"programs/{name}": each for name, each in values.items()})))


def texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def dots(picture: ET.Element, side: int = 0) -> dict[str, tuple[float, float]]:
    found = {}
    for circle in picture.iter(f"{SVG}circle"):
        title = circle.find(f"{SVG}title")
        if title is not None and circle.get("class") == f"s{side}":
            found[(title.text or "").partition(":")[0]] = float(circle.get("cx", "")), float(circle.get("cy", ""))
    return found


def test_programs_are_sorted_by_their_ratio_the_fastest_first() -> None:
    found = texts(drawn({"slow": {"base": [1], "other": [2]}, "quick": {"base": [2], "other": [1]}}))
    assert found.index("quick") < found.index("slow")
    assert {"2.00", "0.50", "1.00"} <= set(found)  # the last one: the geometric mean


def test_a_dot_is_right_of_the_line_where_the_side_is_faster() -> None:
    picture = drawn({"slow": {"base": [1], "other": [2]}, "quick": {"base": [2], "other": [1]}})
    (line,) = (float(each.get("x1", "")) for each in picture.iter(f"{SVG}line") if each.get("class") == "one")
    found = dots(picture)
    assert found["slow"][0] < line < found["quick"][0]
    # Twice as fast is as far from the line as half as fast.
    assert line - found["slow"][0] == pytest.approx(found["quick"][0] - line, abs=0.2)


def test_a_whisker_reaches_from_the_worst_to_the_best_round() -> None:
    picture = drawn({"unsteady": {"base": [1, 1], "other": [2, 0.5]}, "steady": {"base": [1, 1], "other": [1, 1]}})
    lengths = [
        float(each.get("x2", "")) - float(each.get("x1", ""))
        for each in picture.iter(f"{SVG}line")
        if each.get("class") == "s0"
    ]
    assert lengths[0] > 100
    assert lengths[1] == 0


def test_each_side_has_its_dots_and_is_named() -> None:
    picture = drawn({"nbody": {"base": [1], "one": [2], "two": [4]}})
    assert dots(picture, 0)["nbody"][0] > dots(picture, 1)["nbody"][0]
    assert {"one: Python 3.14.7, musl 1.2.6", "two: Python 3.14.7, musl 1.2.6"} <= set(texts(picture))


def test_names_are_written_as_text_and_not_as_markup() -> None:
    assert any("a <fast> one" in text for text in texts(drawn({"<b>&": {"base": [1], "other": [1]}})))


def test_it_suits_dark_pages_too() -> None:
    assert "prefers-color-scheme:dark" in chart(record({"programs/nbody": {"base": [1], "other": [1]}}))


def test_everything_is_within_the_picture() -> None:
    picture = drawn({str(number): {"base": [1], "other": [10.0 ** (number - 4)]} for number in range(9)})
    width, height = float(picture.get("width", "")), float(picture.get("height", ""))
    for x, y in dots(picture).values():
        assert 0 < x < width
        assert 0 < y < height


def test_there_is_nothing_to_draw_of_one_side() -> None:
    with pytest.raises(BivyError, match="nothing to draw"):
        chart(record({"programs/nbody": {"base": [1]}}))
