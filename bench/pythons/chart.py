"""The ratios of programs as a picture: a row a program, a dot a side, a whisker as far as its rounds differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from bench.pythons.ratios import mean_of
from bench.pythons.show import ratios
from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.pythons.ratios import Ratio
    from bench.pythons.record import Record

# In CSS pixels where the picture is shown at its full width.
_WIDTH: Final = 860
_NAMES: Final = 230
_VALUES: Final = 64
_ROW: Final = 17
_HEAD: Final = 92
_FOOT: Final = 34
_DOT: Final = 4
_MARGIN: Final = 12
# Ratios with a line of their own, each about as far from the next.
_TICKS: Final = (0.1, 0.14, 0.2, 0.28, 0.4, 0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8)
_NEAREST: Final = (0.7, 1.4)
# Okabe and Ito's colours, which people tell apart who see fewer: one a side, in their order.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_DARK_COLOURS: Final = ("#56b4e9", "#ff8c42", "#2fd0a4", "#e59cc6", "#ffc94d")


@dataclass(frozen=True, slots=True)
class _Scale:
    """A logarithmic scale: twice as fast is as far from 1 as half as fast."""

    low: float
    high: float

    def x(self, ratio: float) -> float:
        """Return where a ratio is across the picture; what is beyond an end is at the end."""
        share = math.log(min(max(ratio, self.low), self.high) / self.low) / math.log(self.high / self.low)
        return _NAMES + share * (_WIDTH - _NAMES - _VALUES - _MARGIN)


def chart(record: Record) -> str:
    """Draw a record's programs as SVG, for light and for dark pages.

    Args:
        record: What was measured.

    Raises:
        BivyError: No program was measured on two sides.
    """
    by_side = {side: found for side in record.others() if (found := ratios(record, "programs", side))}
    if not by_side:
        raise BivyError("there is nothing to draw: no program was measured on two sides")
    names = _sorted_names(by_side)
    scale = _scale(by_side)
    height = _HEAD + _ROW * (len(names) + 2) + _FOOT
    bottom = _HEAD + _ROW * len(names)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="system-ui,sans-serif" font-size="12">',
        f"<title>{escape(_title(record))}</title>",
        _style(len(by_side)),
        f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
        *_head(record, list(by_side)),
        *_axis(scale, record.base, bottom + 2 * _ROW),
    ]
    for number, name in enumerate(names):
        lines += _row(name, [found.get(name) for found in by_side.values()], _HEAD + _ROW * (number + 0.5), scale)
    lines += _means(by_side, bottom + 1.25 * _ROW, scale)
    return "\n".join([*lines, "</svg>", ""])


def _sorted_names(by_side: Mapping[str, Mapping[str, Ratio]]) -> list[str]:
    first = next(iter(by_side.values()))
    names = dict.fromkeys(name for found in by_side.values() for name in found)
    return sorted(names, key=lambda name: (-first[name].ratio if name in first else 0.0, name))


def _scale(by_side: Mapping[str, Mapping[str, Ratio]]) -> _Scale:
    found = [ratio for each in by_side.values() for ratio in each.values()]
    low = min(_NEAREST[0], *(ratio.low for ratio in found))
    high = max(_NEAREST[1], *(ratio.high for ratio in found))
    return _Scale(low / 1.05, high * 1.05)


def _style(sides: int) -> str:
    light, dark = (
        "".join(f".s{number}{{fill:{colour};stroke:{colour}}}" for number, colour in zip(range(sides), cycle(colours)))
        for colours in (_COLOURS, _DARK_COLOURS)
    )
    return (
        "<style>.page{fill:#fff}text{fill:#1f2328}.dim{fill:#59636e}.grid{stroke:#d1d9e0}.one{stroke:#1f2328}"
        f"{light}"
        "@media(prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#f0f6fc}.dim{fill:#9198a1}"
        f".grid{{stroke:#3d444d}}.one{{stroke:#f0f6fc}}{dark}}}</style>"
    )


def _title(record: Record) -> str:
    return f"Speed beside {record.base}, program by program"


def _head(record: Record, sides: Sequence[str]) -> Iterator[str]:
    versions = {facts.name: f"Python {facts.version}, {facts.libc}" for facts in record.sides}
    yield _text(_MARGIN, 24, _title(record), attributes='font-size="16" font-weight="600"')
    measured = (f"{record.base}: {versions[record.base]}", f"pyperformance {record.programs}", record.processor)
    about = " · ".join((*measured, record.date[:10]))
    yield _text(_MARGIN, 43, about, "dim")
    x = float(_MARGIN)
    for number, side in enumerate(sides):
        label = f"{side}: {versions[side]}"
        yield f'<circle class="s{number}" cx="{x + _DOT:.1f}" cy="58" r="{_DOT}"/>'
        yield _text(x + 3 * _DOT, 62, label)
        x += 3 * _DOT + 7 * len(label) + 2 * _MARGIN


def _axis(scale: _Scale, base: str, bottom: float) -> Iterator[str]:
    for tick in _TICKS:
        if scale.low <= tick <= scale.high:
            x = scale.x(tick)
            yield _line(x, _HEAD - 4, x, bottom, "one" if tick == 1 else "grid")
            label = f"as fast as {base}" if tick == 1 else f"{tick:g}"
            yield _text(x, _HEAD - 10, label, "dim", 'text-anchor="middle"')
    yield _text(_MARGIN, bottom + 20, "to the right: faster; whiskers: the least and the most of a single round", "dim")


def _row(name: str, found: Sequence[Ratio | None], y: float, scale: _Scale) -> Iterator[str]:
    yield _text(_NAMES - _MARGIN, y + 4, name, "", 'text-anchor="end"')
    for number, ratio in enumerate(found):
        if ratio is None:
            continue
        yield _line(scale.x(ratio.low), y, scale.x(ratio.high), y, f"s{number}", 'stroke-width="1.5"')
        about = f"{name}: {ratio.ratio:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
        yield (
            f'<circle class="s{number}" cx="{scale.x(ratio.ratio):.1f}" cy="{y:.1f}" r="{_DOT}">'
            f"<title>{escape(about)}</title></circle>"
        )
    if found[0] is not None:
        yield _text(_WIDTH - _MARGIN, y + 4, f"{found[0].ratio:.2f}", "dim", 'text-anchor="end"')


def _means(by_side: Mapping[str, Mapping[str, Ratio]], y: float, scale: _Scale) -> Iterator[str]:
    yield _text(_NAMES - _MARGIN, y + 4, "geometric mean", "", 'text-anchor="end" font-weight="600"')
    for number, found in enumerate(by_side.values()):
        mean = mean_of(found)
        x = scale.x(mean.mean)
        yield (
            f'<path class="s{number}" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6-6z">'
            f"<title>{mean.mean:.3f} over {mean.count} programs</title></path>"
        )
        if number == 0:
            yield _text(_WIDTH - _MARGIN, y + 4, f"{mean.mean:.2f}", "", 'text-anchor="end" font-weight="600"')


def _line(x1: float, y1: float, x2: float, y2: float, kind: str, attributes: str = "") -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {attributes}/>'


def _text(x: float, y: float, text: str, kind: str = "", attributes: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
