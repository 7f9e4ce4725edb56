"""Measurements as a picture: dots on logarithmic scales, one panel a measure, one row a contender. Pure: tables to SVG.

Two dots on a line are the first and the last of two measures. A page shows it as an image, so it carries its colours
itself, for light and for dark, and takes the fonts that the reader has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.results import figure
from benchmarks.targets import US, Tables

_LABELS, _PANEL, _GAP, _EDGE = 128, 250, 26, 20
_TOP, _ROW, _BOTTOM = 70, 28, 36
_RADIUS = 5
_ROOM = 0.09  # of a panel, left and right of its outermost dots
_FEW_TICKS = 3

_STYLE = """
  .card { fill: #ffffff; stroke: #d0d7de }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a }
  .title { font-weight: 600; fill: #1f2328 }
  .name, .value { fill: #1f2328 }
  .value { font-size: 11px }
  .us { fill: #0969da; font-weight: 600 }
  .grid { stroke: #eaeef2 }
  .band { fill: #ddf4ff }
  .line { stroke: #afb8c1; stroke-width: 2 }
  .line.us { stroke: #0969da }
  .dot { fill: #6e7781 }
  .dot.us { fill: #0969da }
  .dot.first { fill: #ffffff; stroke: #6e7781; stroke-width: 2 }
  .dot.first.us { stroke: #0969da }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #30363d }
    text { fill: #9198a1 }
    .title, .name, .value { fill: #e6edf3 }
    .us { fill: #58a6ff }
    .grid { stroke: #21262d }
    .band { fill: #121d2f }
    .line { stroke: #484f58 }
    .line.us { stroke: #58a6ff }
    .dot { fill: #9198a1 }
    .dot.us { fill: #58a6ff }
    .dot.first { fill: #0d1117; stroke: #9198a1 }
    .dot.first.us { stroke: #58a6ff }
  }
"""


@dataclass(frozen=True)
class Panel:
    """`keys` are one measure, or two of which the first is drawn hollow."""

    title: str
    subtitle: str
    keys: Sequence[str]


@dataclass(frozen=True)
class Scale:
    """Values to pixels from the left of a panel."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """A value's place. `low` and `high` leave room beside them, for the numbers."""
        share = math.log(value / self.low) / math.log(self.high / self.low) if self.high > self.low else 0.5
        return _PANEL * (_ROOM + share * (1 - 2 * _ROOM))

    def ticks(self) -> list[float]:
        """The powers of ten, with 2 and 5 of each where those alone would be few."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = [[step * 10.0**power for power in powers for step in taken] for taken in ((1,), (1, 2, 5))]
        within = [[value for value in values if self.low <= value <= self.high] for values in steps]
        return within[0] if len(within[0]) >= _FEW_TICKS else within[1]


def svg(tables: Tables, panels: Sequence[Panel], names: Sequence[str]) -> str:
    """A whole file. A contender without a measure has no dot in its panel."""
    width = 2 * _EDGE + _LABELS + len(panels) * (_PANEL + _GAP) - _GAP
    height = _TOP + _ROW * len(names) + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(", ".join(panel.title for panel in panels))}, by contender">',
        f"<style>{_STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
    ]
    if US in names:
        y = _TOP + _ROW * names.index(US)
        parts.append(f'<rect class="band" x="{_EDGE / 2}" y="{y}" width="{width - _EDGE}" height="{_ROW}" rx="4"/>')
    for number, name in enumerate(names):
        kind = "name us" if name == US else "name"
        parts.append(_text(_EDGE, _middle(number) + 4, name, kind))
    for number, panel in enumerate(panels):
        left = _EDGE + _LABELS + number * (_PANEL + _GAP)
        parts += [f'<g transform="translate({left} 0)">', *_panel(tables, panel, names), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(tables: Tables, panel: Panel, names: Sequence[str]) -> Iterator[str]:
    yield _text(0, 30, panel.title, "title")
    yield _text(0, 48, panel.subtitle, "")
    measured = {
        name: [tables[key].median(name) for key in panel.keys]
        for name in names
        if all(key in tables and name in tables[key].samples for key in panel.keys)
    }
    if not measured:
        return
    values = [value for ends in measured.values() for value in ends]
    scale = Scale(min(values), max(values))
    bottom = _TOP + _ROW * len(names)
    for tick in scale.ticks():
        x = f"{scale.at(tick):.1f}"
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>'
        yield _text(x, bottom + 18, f"{tick:g}", "", "middle")
    for number, name in enumerate(names):
        if name in measured:
            yield from _dots(scale, measured[name], _middle(number), "us" if name == US else "")


def _dots(scale: Scale, ends: Sequence[float], y: float, whose: str) -> Iterator[str]:
    places = [scale.at(value) for value in ends]
    if len(ends) > 1:
        yield f'<line class="line {whose}" x1="{places[0]:.1f}" x2="{places[-1]:.1f}" y1="{y}" y2="{y}"/>'
    for place in places[:-1]:
        yield f'<circle class="dot first {whose}" cx="{place:.1f}" cy="{y}" r="{_RADIUS - 1}"/>'
    yield f'<circle class="dot {whose}" cx="{places[-1]:.1f}" cy="{y}" r="{_RADIUS}"/>'
    text, outermost, innermost = " → ".join(figure(value) for value in ends), max(places), min(places)
    if outermost < _PANEL * 0.6:
        yield _text(f"{outermost + 10:.1f}", y + 4, text, f"value {whose}")
    else:
        yield _text(f"{innermost - 10:.1f}", y + 4, text, f"value {whose}", "end")


def _middle(number: int) -> float:
    return _TOP + _ROW * (number + 0.5)


def _text(x: float | str, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
