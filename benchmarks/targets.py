"""What agentrun is to reach, and what the measurements say of it. Pure: nothing here is typed from a result.

What is held against the tuned SDK is held against the faster of its two loops, and against frameworks by name.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.contenders import FRAMEWORKS, TUNED
from benchmarks.results import Table, figure

US = "agentrun"
Tables = Mapping[str, Table]
Measure = Callable[[Tables], float]


@dataclass(frozen=True)
class Target:
    """At most a figure, or less than it where `below`. `measure` raises LookupError or ValueError without data."""

    work: str
    limit: float
    of: str
    measure: Measure
    below: bool = False
    unit: str = "×"

    def row(self, tables: Tables) -> str:
        """A line of Markdown."""
        least = self._form(self.limit, "{:g}".format)
        said = f"{'under' if self.below else 'at most'} {least}{' of' if '/' in least else ''} {self.of}".rstrip()
        try:
            reached = self.measure(tables)
        except (LookupError, ValueError):  # no such table or row, or nothing to choose the best of
            return f"| {self.work} | {said} | not measured | |"
        holds = reached < self.limit if self.below else reached <= self.limit
        return f"| {self.work} | {said} | {self._form(reached, figure)} | {'yes' if holds else '**no**'} |"

    def _form(self, value: float, number: Callable[[float], str]) -> str:
        """Small ratios are easier to read as parts of one."""
        if self.unit == "×" and 0 < value < 0.5:
            return f"1/{number(1 / value)}"
        return f"{value:.0f}" if not self.unit else f"{number(value)} {self.unit}"


def as_markdown(tables: Tables) -> str:
    rows = [target.row(tables) for target in TARGETS]
    return "\n".join(["| work | target | reached | |", "|---|---|---:|---|", *rows])


# -- measures -------------------------------------------------------------------------------------------------


def tuned(key: str, row: str = US) -> Measure:
    """How many times the faster one of the tuned loops."""
    return lambda tables: max(tables[key].ratio(row, one) for one in TUNED if one in tables[key].samples)


def ratio(key: str, row: str, other: str) -> Measure:
    return lambda tables: tables[key].ratio(row, other)


def best_framework(key: str) -> Measure:
    """How many times the one of the frameworks that is fastest."""

    def measure(tables: Tables) -> float:
        table = tables[key]
        return max(table.ratio(US, one) for one in FRAMEWORKS if one in table.samples)

    return measure


def median(key: str, row: str = US) -> Measure:
    return lambda tables: tables[key].median(row)


def most(key: str) -> Measure:
    return lambda tables: max(tables[key].samples[US])


def later_than_tuned(key: str) -> Measure:
    """The median of the differences to the faster one of the tuned loops."""

    def measure(tables: Tables) -> float:
        table = tables[key]
        others = [one for one in TUNED if one in table.samples]
        return max(statistics.median(mine - its for mine, its in table.pairs(US, one)) for one in others)

    return measure


def growth_beyond_bytes(tables: Tables) -> float:
    """The raw loop's growth is that of the bytes alone."""
    return tables["growth"].ratio(US, "raw")


def cost_a_file(fewer: int, more: int) -> Measure:
    """CPU of each file from the fewer to the more, as a multiple of that from 10 to the fewer: 1 is linear."""

    def measure(tables: Tables) -> float:
        least, middle, most = (
            tables[f"validate_{count}_cpu"].median("agentrun validate") for count in (10, fewer, more)
        )
        return ((most - middle) / (more - fewer)) / ((middle - least) / (fewer - 10))

    return measure


# -- targets --------------------------------------------------------------------------------------------------

_ROUND = "CPU of a tool round, the first 20"
_LATE = "CPU of a tool round at round 200"
_CROWD = "1,000 conversations at once"
_START = "cold start of"

TARGETS = (
    Target(_ROUND, 2, "tuned", tuned("round_cpu")),
    Target(_ROUND, 1 / 5, "openai-agents", ratio("round_cpu", US, "openai-agents")),
    Target(_ROUND, 1 / 5, "pydantic-ai", ratio("round_cpu", US, "pydantic-ai")),
    Target(_LATE, 2, "tuned", tuned("late_round_cpu")),
    Target(_LATE, 1 / 40, "openai-agents", ratio("late_round_cpu", US, "openai-agents")),
    Target(_LATE, 1 / 40, "pydantic-ai", ratio("late_round_cpu", US, "pydantic-ai")),
    Target("growth to round 200 beyond that of the bytes sent", 1.3, "", growth_beyond_bytes, below=True),
    Target("CPU of a streamed chunk", 2, "tuned", tuned("chunk_cpu")),
    Target("CPU of a streamed chunk", 1 / 10, "pydantic-ai", ratio("chunk_cpu", US, "pydantic-ai")),
    Target("first text, later than tuned", 2, "", later_than_tuned("first_text"), unit="ms"),
    Target("16 parallel tools of 200 ms, wall time", 1.03, "one tool", median("calls_ratio")),
    Target(f"{_CROWD}, failures", 0, "", most("crowd_1000_failures"), unit=""),
    Target(f"{_CROWD}, wall time", 1 / 5, "the best framework", best_framework("crowd_1000_wall")),
    Target(f"{_CROWD}, memory of each beyond its messages", 60, "", median("crowd_1000_each"), True, "KB"),
    Target(f"{_START} `--help`", 1.3, "`import click`", ratio("start_wall", "agentrun --help", "import click")),
    Target(
        f"{_START} `validate`",
        1.5,
        "`import click, yaml, jsonschema`",
        ratio("start_wall", "agentrun validate", "import click, yaml, jsonschema"),
    ),
    Target(
        f"{_START} a one-shot `run`",
        1.25,
        "`import openai`",
        ratio("start_wall", "agentrun run, model server", "import openai"),
    ),
    Target("`validate`, CPU of each file from 100 to 1,000", 1.2, "those from 10 to 100", cost_a_file(100, 1000)),
    Target(
        "`validate` on 1,000 files, wall time",
        3,
        "PyYAML and jsonschema",
        ratio("validate_1000_wall", "agentrun validate", "PyYAML + jsonschema"),
        below=True,
    ),
)
