"""A page of an image as one file of HTML that needs nothing beside it: the README, with a picture of the bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bivy import __version__
from bivy.musl.render.html import FOLDER as SHARED
from bivy.musl.render.html import digest_for_policy
from bivy.musl.render.summary import plain
from bivy.page.blocks import blocks_of
from bivy.page.parts import LOGO, TEMPLATES
from bivy.page.treemap import draw
from bivy.units import spell_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markdown_it.token import Token

    from bivy.page.facts import Facts

_WIDE: Final = (1000, 620)
_NARROW: Final = (380, 720)
_PICTURE_AFTER: Final = "where-the-bytes-are"
# Tables of more columns are shown row by row where the page is narrow.
_NARROW_ENOUGH: Final = 2
_FULL: Final = 4
_OUTCOME: Final = "outcome"
_COMPARED: Final = "this image"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that the page's contents name."""

    text: str
    anchor: str


def as_html(facts: Facts, files: Mapping[str, bytes]) -> bytes:
    """Return a page of HTML that says what the README says.

    What comes from the image is escaped, and the page's own policy lets nothing be loaded and no script run.

    Args:
        facts: What there is to say of the image.
        files: The files of the page's folder, as `bivy.page.parts.make_files` gives them.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_clean,
    )
    before, after, headings = _body(files["README.md"].decode())
    layers = blocks_of(facts)
    style = (SHARED / "base.css").read_text("utf-8") + (TEMPLATES / "page.css").read_text("utf-8")
    page = environment.get_template("page.html").render(
        facts=facts, version=__version__, lead=files["README-short.txt"].decode().strip(),
        logo=Markup(LOGO.read_text("utf-8")), headings=headings, before=Markup(before), after=Markup(after),  # noqa: S704
        layers=layers, wide=draw(layers, *_WIDE), narrow=draw(layers, *_NARROW),
        hidden=sum(layer.unpacked for layer in facts.layers) - facts.unpacked,
        size=spell_size, number=_number, style_digest=digest_for_policy(style),
    )  # fmt: skip
    return page.encode()


def _clean(value: object) -> object:
    # Markup, which is a string that is HTML already, is the page's own.
    return plain(value) if type(value) is str else value


def _number(value: float) -> str:
    """Spell a number for a picture: a tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0")


def _body(readme: str) -> tuple[str, str, Sequence[Heading]]:
    """Return the page's text up to the place of the picture, the text after it, and the headings of its parts."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    text = re.sub(r"^<!--.*?-->\s*", "", readme, flags=re.DOTALL)
    tokens = [token for token in reader.parse(text) if not _is_logo(token)]
    tokens = _without_empty_paragraphs(tokens)
    headings = _mark_headings(tokens)
    _mark_tables(tokens)
    _mark_links(tokens)
    reader.add_render_rule("fence", _fence)
    reader.add_render_rule("table_open", _table_open)
    reader.add_render_rule("table_close", lambda *_: "</table></div>\n")
    place = next(
        (at + 3 for at, token in enumerate(tokens) if token.attrs.get("id") == _PICTURE_AFTER), len(tokens)
    )  # fmt: skip

    def rendered(part: list[Token]) -> str:
        return str(reader.renderer.render(part, reader.options, {}))

    return rendered(tokens[:place]), rendered(tokens[place:]), headings


def _is_logo(token: Token) -> bool:
    """Tell whether a token is the logo's image, which the page has at its top."""
    children = token.children or []
    return len(children) == 1 and children[0].type == "image"


def _without_empty_paragraphs(tokens: list[Token]) -> list[Token]:
    kept: list[Token] = []
    for token in tokens:
        if token.type == "paragraph_close" and kept and kept[-1].type == "paragraph_open":
            kept.pop()
        else:
            kept.append(token)
    return kept


def _mark_headings(tokens: list[Token]) -> list[Heading]:
    """Give headings the anchors that GitHub gives them, one level below the page's own; return those of the parts."""
    found: list[Heading] = []
    seen: dict[str, int] = {}
    for at, token in enumerate(tokens):
        if token.type not in ("heading_open", "heading_close"):
            continue
        if token.type == "heading_open":
            text = "".join(child.content for child in tokens[at + 1].children or [])
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            anchor = f"{slug}-{seen[slug]}" if slug in seen else slug
            seen[slug] = seen.get(slug, 0) + 1
            token.attrSet("id", anchor or "part")
            if token.tag == "h1":
                found.append(Heading(text, anchor))
        token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
    return found


def _mark_tables(tokens: list[Token]) -> None:
    """Turn what a policy does not allow in an attribute into classes, and tell each cell what its column is called."""
    heads: list[str] = []
    column = 0
    table: Token | None = None
    for at, token in enumerate(tokens):
        if token.type == "table_open":
            heads, table = [], token
        elif token.type == "thead_close" and table is not None:
            table.attrSet("class", _table_class(heads))
        elif token.type == "tr_open":
            column = 0
        elif token.type in ("th_open", "td_open"):
            if token.attrs.pop("style", None):
                token.attrSet("class", "number")
            if token.type == "th_open":
                heads.append(tokens[at + 1].content)
                token.attrSet("scope", "col")
            else:
                _mark_cell(token, heads[column] if column < len(heads) else "", tokens[at + 1].content)
            column += 1


def _mark_cell(cell: Token, head: str, content: str) -> None:
    """Tell a cell what its column is called, where that has a name, and one with an outcome which it is."""
    if head:
        cell.attrSet("data-label", head)
    if head == _OUTCOME and content.startswith(("passed", "failed")):
        cell.attrSet("class", content[:6])


def _table_class(heads: Sequence[str]) -> str:
    """Return how a table is shown: bare where its columns have no names, row by row where there are many."""
    if not any(heads):
        return "bare"
    width = "full" if len(heads) > _FULL or _OUTCOME in heads else "half"
    cards = " cards" if len(heads) > _NARROW_ENOUGH else ""
    return f"{width}{cards}{' labelled' if _COMPARED in heads else ''}"


def _mark_links(tokens: Sequence[Token]) -> None:
    for token in tokens:
        for child in token.children or []:
            if child.type == "link_open" and not str(child.attrs.get("href", "")).startswith("#"):
                child.attrSet("rel", "noreferrer")


def _table_open(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:  # noqa: ANN401
    return f'<div class="scroll">{renderer.renderToken(tokens, at, options, env)}'


def _fence(_renderer: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:  # noqa: ANN401
    """Render code; the prompts of what is typed are not copied with it."""
    from markupsafe import escape

    token = tokens[at]
    lines = str(escape(token.content)).splitlines()
    if token.info == "console":
        lines = [re.sub(r"^\$ ", '<span class="prompt">$ </span>', line) for line in lines]
    return f"<pre><code>{chr(10).join(lines)}</code></pre>\n"
