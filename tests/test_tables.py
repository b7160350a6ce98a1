"""TOML files that are wrong are refused with file, line, key and the nearest right one."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import UsageError
from bivy.tables import convert, line_of, nearest, parse, read_text


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    street: str = ""
    number: int = 0


class Shop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    places: tuple[Place, ...] = ()
    stock: dict[str, Place] = {}
    main: Place | None = None


PATH = Path("shop.toml")


def complaint(text: str, at: str = "") -> str:
    table = parse(PATH, text)
    for part in at.split(".") if at else ():
        table = table[part]
    with pytest.raises(UsageError) as caught:
        convert(PATH, text, table, Shop, at)
    return str(caught.value)


def test_a_right_table_becomes_a_value() -> None:
    text = 'name = "corner"\n[[places]]\nstreet = "High"\nnumber = 1\n'
    assert convert(PATH, text, parse(PATH, text), Shop) == Shop("corner", (Place("High", 1),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('nam = "a"\n', "shop.toml:1: unknown key `nam`; is `name` meant?"),
        ('name = "a"\n\n[[places]]\nnumber = 1\n[[places]]\nnumbr = 2\n',
         "shop.toml:6: unknown key `places[1].numbr`; is `number` meant?"),
        ('name = "a"\n[stock.apples]\nstret = "x"\n', "is `street` meant?"),
        ('name = "a"\n[main]\nstret = "x"\n', "shop.toml:3: unknown key `main.stret`; is `street` meant?"),
        ('name = "a"\n[main]\nnumber = "x"\n', "shop.toml:3: main.number: this has to be a whole number"),
        ('name = "a"\nplaces = [\n  { street = 1 },\n]\n', "shop.toml:2: places[0].street: this has to be a text"),
        ("places = []\n", "shop.toml:1: the file: Object missing required field `name`"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_with_line_and_key(text: str, said: str) -> None:
    assert said in complaint(text)


@pytest.mark.parametrize(
    "text",
    [
        '[other]\nnam = "b"\n[tool.shop]\nname = "a"\nnam = "a"\n',
        '[other]\nnam = "b"\n\n[tool]\nshop.nam = "a"\n',
        'other.nam = "b"\n\n\n\ntool.shop.nam = "a"\n',
        '[other]\nnam = "b"\n\n["tool".\'shop\']\n"nam" = "a"\n',
        '[other]\nnam = "b"\n\n[ tool . shop ]\n  nam = "a"\n',
    ],
)
def test_keys_are_found_however_their_table_is_spelled(text: str) -> None:
    assert complaint(text, "tool.shop") == "shop.toml:5: unknown key `nam`; is `name` meant?"


def test_the_line_of_a_value_is_that_in_which_it_stands() -> None:
    text = 'ports = [\n  "80",\n  "http",\n]\nother = ["http"]\n'
    assert line_of(text, "ports", "http") == 3
    assert line_of(text, "ports", "ftp") == 1


def test_what_is_not_toml_is_refused_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"^shop.toml:2: this is not TOML"):
        parse(PATH, 'name = "a"\nname = \n')


def test_what_is_nested_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="not TOML"):
        parse(PATH, "a = " + "[" * 100_000)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"a.toml: cannot be read"):
        read_text(tmp_path / "a.toml")
    with pytest.raises(UsageError, match=r"b.toml: cannot be read: No such file"):
        read_text(tmp_path / "b.toml")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfname = 1")
    assert parse(tmp_path / "a.toml", read_text(tmp_path / "a.toml")) == {"name": 1}


def test_nothing_is_offered_where_nothing_is_near() -> None:
    assert nearest("zzz", ["name"]) == ""


@given(st.text(), st.text(max_size=30), st.text(max_size=5))
def test_a_line_is_always_one_of_the_text(text: str, key: str, value: str) -> None:
    assert 1 <= line_of(text, key, value) <= len(text.split("\n"))


@given(st.text(alphabet="ab.=[]\"'\n #{}1,", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(UsageError):  # any other fault fails the test
        convert(PATH, text, parse(PATH, text), Shop)
