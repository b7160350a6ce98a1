"""What tests of pages share: a reader of HTML that refuses what is not well formed, and what holds of every page."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "br", "rect", "link", "img", "input"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def all(self, name: str = "") -> list[Element]:
        """Return all elements below, or those with a name."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] if name in ("", child.name) else []
                found += child.all(name)
        return found

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())


class Reader(HTMLParser):
    """Reads a page into elements, and refuses what is not closed in the order in which it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(text)
        self.close()
        assert self.open == [self.root], f"not closed: {[one.name for one in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def assert_well_formed(root: Element) -> None:
    """Identifiers are unique, links within the page lead to one, and so do labels."""
    elements = root.all()
    identifiers = Counter(one.attributes["id"] for one in elements if "id" in one.attributes)
    assert [one for one, number in identifiers.items() if number > 1 or not one or " " in one] == []
    inner = {one.attributes["href"][1:] for one in elements if one.attributes.get("href", "").startswith("#")}
    assert inner <= set(identifiers)
    labels = {label for one in elements for label in one.attributes.get("aria-labelledby", "").split()}
    assert labels <= set(identifiers)


def assert_headings_in_order(root: Element) -> None:
    """There is one heading of the first level, at the start, and no level is left out on the way down."""
    levels = [int(one.name[1]) for one in root.all() if re.fullmatch("h[1-6]", one.name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def assert_links_by_http(root: Element) -> None:
    """Whatever leads elsewhere does so by http."""
    links = [one.attributes["href"] for one in root.all("a")]
    assert [one for one in links if not one.startswith(("#", "https://", "http://"))] == []


def assert_allowed(root: Element, kind: str) -> None:
    """The page's one ``style`` or ``script`` is what its policy allows."""
    policy = next(one for one in root.all("meta") if one.attributes.get("http-equiv")).attributes["content"]
    (element,) = root.all(kind)
    digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"{kind}-src 'sha256-{digest}'" in policy


def assert_no_handlers(root: Element) -> None:
    """No attribute is one that a policy forbids."""
    for element in root.all():
        assert not [one for one in element.attributes if one.startswith("on") or one == "style"]
