"""Text from anywhere as Markdown that means nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bivy.musl.render.summary import flat
from bivy.page.markdown import clip, code, prose, table
from tests.page.images import HOSTILE

READER = MarkdownIt("commonmark").enable("table").enable("strikethrough")
anything = st.text(max_size=60) | st.sampled_from(HOSTILE) | st.text("|`\\*_<>[]()!#-+=1. &%~$:", max_size=20)


def shown(markdown: str) -> list[str]:
    """The text that a reader sees in each inline part; there is nothing but text and code in them."""
    found = []
    for token in READER.parse(markdown):
        for child in token.children or []:
            assert child.type in ("text", "code_inline", "text_special"), f"{child.type} in {markdown!r}"
        if token.type == "inline":
            found.append("".join(child.content for child in token.children or []))
    return found


@given(anything)
def test_prose_reads_as_the_text_and_is_nothing_else(text: str) -> None:
    wanted = clip(text, 160)
    assert shown(prose(text)) == ([wanted] if wanted else [])


@given(anything)
def test_code_reads_as_the_text(text: str) -> None:
    wanted = clip(text, 160)
    assert shown(code(text)) == ([wanted] if wanted else [])


@given(st.lists(st.tuples(anything, anything), min_size=1, max_size=4))
def test_a_table_has_the_cells_that_it_was_made_of_whatever_is_in_them(rows: list[tuple[str, str]]) -> None:
    laid = table(("one", "two"), [(prose(first), code(second)) for first, second in rows], (1,))
    tokens = READER.parse(laid)
    assert [token.type for token in tokens if token.level == 0] == ["table_open", "table_close"]
    assert shown(laid) == ["one", "two", *(clip(text, 160) for row in rows for text in row)]


@given(anything)
def test_nothing_that_the_official_images_documentation_replaces_is_left(text: str) -> None:
    assert "%%" not in prose(text)
    assert "%%" not in code(text)


def test_a_plain_text_stays_as_it_is() -> None:
    for text in ("GPL-2.0-only OR MIT", "3.14.7-r0", "ncurses 6.6_p20251231 (wide)", "C++, and more: 100 %"):
        assert prose(text) == text


def test_what_is_too_long_loses_its_end() -> None:
    assert clip("word " * 100, 20) == "word word word word…"
    assert len(prose("x" * 1000)) == 160


@pytest.mark.parametrize("text", HOSTILE)
def test_it_is_one_printable_line(text: str) -> None:
    assert prose(text) == flat(prose(text))
    assert prose(text).encode()


def test_numbers_are_set_flush_right_and_columns_are_in_line() -> None:
    assert table(("a", "bytes"), [("x", "1"), ("long name", "1,000")], (1,)).splitlines() == [
        "| a         | bytes |",
        "|-----------|------:|",
        "| x         |     1 |",
        "| long name | 1,000 |",
    ]
