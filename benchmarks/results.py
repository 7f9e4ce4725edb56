"""Samples to medians, spreads and ratios. Pure.

A ratio is the median of the quotients of each repetition: contenders take turns, so whatever else the machine
did weighs on both sides of a quotient.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Compared = Mapping[str, Sequence[str]]


@dataclass
class Table:
    """One measure of several rows. `compared` says for each row which others it is divided by."""

    key: str
    title: str
    unit: str
    compared: Compared = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, row: str, value: float) -> None:
        self.samples.setdefault(row, []).append(value)

    def ratios(self, row: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for other in self.compared.get(row, ()):
            if other in self.samples:
                pairs = zip(self.samples[row], self.samples[other], strict=True)
                found[other] = statistics.median(mine / its for mine, its in pairs)
        return found

    def as_data(self) -> list[dict[str, Any]]:
        return [
            {
                "measure": self.key,
                "unit": self.unit,
                "row": row,
                "median": statistics.median(values),
                "low": min(values),
                "high": max(values),
                "samples": values,
                "ratios": self.ratios(row),
            }
            for row, values in self.samples.items()
        ]

    def as_markdown(self) -> str:
        lines = [f"### {self.title}", "", f"| | median, {self.unit} | spread | ratio |", "|---|---:|---:|---|"]
        for one in self.as_data():
            ratios = ", ".join(f"{ratio:.2f} × {other}" for other, ratio in one["ratios"].items())
            spread = f"{_figure(one['low'])} – {_figure(one['high'])}"
            lines.append(f"| {one['row']} | {_figure(one['median'])} | {spread} | {ratios} |")
        return "\n".join(lines)


def compared_with(rows: Sequence[str], *references: str) -> Compared:
    """Each row divided by the same references, but never by itself."""
    return {row: [one for one in references if one != row] for row in rows}


def _figure(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
