"""Samples to medians, spreads and ratios; what a file of them holds. Pure.

A ratio is the median of the quotients of each repetition: contenders take turns, so whatever else the machine
did weighs on both sides of a quotient. A slow contender takes part in the first repetitions alone, so it is held
against those of the others.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

Compared = Mapping[str, Sequence[str]]
DIGITS = 5  # of a sample in a file


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

    def median(self, row: str) -> float:
        return statistics.median(self.samples[row])

    def pairs(self, row: str, other: str) -> list[tuple[float, float]]:
        """What two rows took in the same repetitions."""
        return list(zip(self.samples[row], self.samples[other], strict=False))

    def ratio(self, row: str, other: str) -> float:
        return statistics.median(mine / its for mine, its in self.pairs(row, other))

    def ratios(self, row: str) -> dict[str, float]:
        return {other: self.ratio(row, other) for other in self.compared.get(row, ()) if other in self.samples}

    def as_data(self) -> list[dict[str, Any]]:
        return [
            {
                "measure": self.key,
                "title": self.title,
                "unit": self.unit,
                "row": row,
                "median": _kept(statistics.median(values)),
                "low": _kept(min(values)),
                "high": _kept(max(values)),
                "samples": [_kept(value) for value in values],
                "ratios": {other: _kept(ratio) for other, ratio in self.ratios(row).items()},
            }
            for row, values in self.samples.items()
        ]

    @classmethod
    def of_data(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """The table whose rows these are. Medians and ratios are found again from the samples."""
        return cls(
            rows[0]["measure"],
            rows[0]["title"],
            rows[0]["unit"],
            {row["row"]: list(row["ratios"]) for row in rows},
            {row["row"]: row["samples"] for row in rows},
        )

    def as_markdown(self) -> str:
        lines = [f"### {self.title}", "", f"| | median, {self.unit} | spread | ratio |", "|---|---:|---:|---|"]
        for row in self.samples:
            ratios = ", ".join(f"{figure(ratio)} × {other}" for other, ratio in self.ratios(row).items())
            lines.append(f"| {row} | {figure(self.median(row))} | {self.spread(row)} | {ratios} |")
        return "\n".join(lines)

    def spread(self, row: str) -> str:
        return f"{figure(min(self.samples[row]))} – {figure(max(self.samples[row]))}"


def tables_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Table]:
    """All tables that the rows of a file are of, by key."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["measure"], []).append(row)
    return {key: Table.of_data(of_one) for key, of_one in found.items()}


def compared_with(rows: Sequence[str], *references: str) -> Compared:
    """Each row divided by the same references, but never by itself."""
    return {row: [one for one in references if one != row] for row in rows}


def figure(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _kept(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
