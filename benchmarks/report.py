"""`docs/performance.md` from measurements: `python -m benchmarks.report [FILE]` fills in its tables and draws its plot.

The page's prose is written by hand. What stands between `<!-- begin NAME -->` and `<!-- end -->` is made here, and all
figures are among that. Nothing is measured.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import targets
from benchmarks.contenders import CONTENDERS
from benchmarks.peer import ROOT
from benchmarks.plot import Panel, svg
from benchmarks.record import Record
from benchmarks.results import figure
from benchmarks.targets import US, Tables

PARTS = ("conversations", "crowd", "starts", "validate")
DATA = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "images" / "performance.svg"

PANELS = (
    Panel("CPU of a tool round, ms", "rounds 1–20 (hollow) and round 200", ("round_cpu", "late_round_cpu")),
    Panel("CPU of a streamed chunk, µs", "5,000 small chunks", ("chunk_cpu",)),
    Panel("1,000 conversations at once, s", "three rounds each, a model of 100 ms", ("crowd_1000_wall",)),
)
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Cell = Callable[[Tables, str], str]
Columns = dict[str, Cell]


def main(arguments: Sequence[str]) -> None:
    write(Record.read(Path(arguments[0]) if arguments else DATA))


def write(record: Record) -> None:
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")
    PICTURE.write_text(picture(record), encoding="utf-8")


def picture(record: Record) -> str:
    tables = record.tables()
    measured = {row for panel in PANELS for key in panel.keys if key in tables for row in tables[key].samples}
    return svg(tables, PANELS, [name for name in CONTENDERS if name in measured])


def filled(page: str, record: Record) -> str:
    """The page with all its blocks made anew. Raises KeyError for one that nothing makes."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]](record)}\n{found[3]}", page)


# -- cells ----------------------------------------------------------------------------------------------------


def _median(key: str) -> Cell:
    return lambda tables, row: figure(tables[key].median(row))


def _count(key: str) -> Cell:
    return lambda tables, row: f"{tables[key].median(row):,.0f}"


def _spread(key: str) -> Cell:
    return lambda tables, row: tables[key].spread(row)


def _percent(key: str) -> Cell:
    return lambda tables, row: f"{tables[key].median(row) * 100:.0f} %"


def _beside(key: str, other: str) -> Cell:
    return lambda tables, row: "1" if row == other in tables[key].samples else figure(tables[key].ratio(row, other))


# -- tables ---------------------------------------------------------------------------------------------------


def _table(tables: Tables, rows: Sequence[str], columns: Columns) -> str:
    """What was not measured is left empty; a row of which nothing was is left out."""
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for row in rows:
        cells = [_cell(cell, tables, row) for cell in columns.values()]
        if any(cells):
            lines.append(f"| {f'**{row}**' if row == US else row} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else "Not measured."


def _cell(cell: Cell, tables: Tables, row: str) -> str:
    try:
        return cell(tables, row)
    except LookupError:
        return ""


def _of_contenders(columns: Columns) -> Callable[[Record], str]:
    return lambda record: _table(record.tables(), list(CONTENDERS), columns)


_COMPARED_STARTS = {
    "agentrun --help": "import click",
    "agentrun validate": "import click, yaml, jsonschema",
    "agentrun run, model server": "import openai",
    "agentrun run, scripted": "import openai",
}


def _starts(record: Record) -> str:
    lines = ["| | wall, ms | spread | CPU, ms | beside | its wall, ms | ratio |", "|---|---:|---:|---:|---|---:|---:|"]
    tables = record.tables()
    if "start_wall" not in tables:
        return "Not measured."
    wall, cpu = tables["start_wall"], tables["start_cpu"]
    for row, other in _COMPARED_STARTS.items():
        cells = (figure(wall.median(row)), wall.spread(row), figure(cpu.median(row)), f"`{other}`")
        lines.append(
            f"| `{row}` | {' | '.join(cells)} | {figure(wall.median(other))} | {figure(wall.ratio(row, other))} |"
        )
    return "\n".join(lines)


def _validate(record: Record) -> str:
    lines = ["| files | wall, ms | spread | CPU, ms | PyYAML + jsonschema, wall, ms | ratio |", f"|{'---:|' * 6}"]
    tables = record.tables()
    ours, plain = "agentrun validate", "PyYAML + jsonschema"
    counts = sorted(int(key.split("_")[1]) for key in tables if re.fullmatch(r"validate_\d+_wall", key))
    for count in counts:
        wall, cpu = tables[f"validate_{count}_wall"], tables[f"validate_{count}_cpu"]
        cells = (f"{count:,}", figure(wall.median(ours)), wall.spread(ours), figure(cpu.median(ours)))
        lines.append(f"| {' | '.join(cells)} | {figure(wall.median(plain))} | {figure(wall.ratio(ours, plain))} |")
    return "\n".join(lines)


# -- lists ----------------------------------------------------------------------------------------------------


def _machine(record: Record) -> str:
    return "\n".join(f"- {value}" for value in record.machine.values())


def _versions(record: Record) -> str:
    lines = ["| | runs on |", "|---|---|"]
    for name in (*CONTENDERS, "commands"):
        if versions := record.versions.get(name):
            lines.append(f"| {name} | {', '.join(f'{library} {number}' for library, number in versions.items())} |")
    return "\n".join(lines)


def _contenders(record: Record) -> str:
    return "\n".join(f"- **{name}**: {what}" for name, what in CONTENDERS.items())


def _notes(record: Record) -> str:
    notes = dict.fromkeys(note for part in PARTS for note in record.notes.get(part, ()))  # once each
    return "\n".join(f"- {note}" for note in notes) or "- nothing"


_CROWDS = (100, 300, 1000)

BLOCKS: dict[str, Callable[[Record], str]] = {
    "targets": lambda record: targets.as_markdown(record.tables()),
    "machine": _machine,
    "versions": _versions,
    "contenders": _contenders,
    "rounds": _of_contenders(
        {
            "CPU, ms": _median("round_cpu"),
            "spread": _spread("round_cpu"),
            "÷ agentrun": _beside("round_cpu", US),
            "wall, ms": _median("round_wall"),
        }
    ),
    "growth": _of_contenders(
        {
            "CPU, ms": _median("late_round_cpu"),
            "spread": _spread("late_round_cpu"),
            "÷ agentrun": _beside("late_round_cpu", US),
            "÷ its round 10": _median("growth"),
        }
    ),
    "fetches": _of_contenders(
        {
            "CPU, ms": _median("fetch_cpu"),
            "spread": _spread("fetch_cpu"),
            "÷ agentrun": _beside("fetch_cpu", US),
            "wall, ms": _median("fetch_wall"),
        }
    ),
    "stream": _of_contenders(
        {
            "CPU a chunk, µs": _median("chunk_cpu"),
            "spread": _spread("chunk_cpu"),
            "÷ agentrun": _beside("chunk_cpu", US),
            "first text, ms": _median("first_text"),
        }
    ),
    "calls": _of_contenders(
        {
            "wall, ms": _median("calls_wall"),
            "÷ one call": _median("calls_ratio"),
            "spread": _spread("calls_ratio"),
        }
    ),
    "crowd": _of_contenders(
        {
            "wall, s": _median("crowd_1000_wall"),
            "spread": _spread("crowd_1000_wall"),
            "÷ agentrun": _beside("crowd_1000_wall", US),
            "CPU, s": _median("crowd_1000_cpu"),
            "peak, MB": _count("crowd_1000_peak"),
            "KB each": _count("crowd_1000_each"),
            "failed": _count("crowd_1000_failures"),
            "server busy": _percent("crowd_1000_server"),
        }
    ),
    "crowds": _of_contenders(
        {f"{count:,}: wall, s": _median(f"crowd_{count}_wall") for count in _CROWDS}
        | {f"{count:,}: KB each": _count(f"crowd_{count}_each") for count in _CROWDS}
    ),
    "starts": _starts,
    "first_answers": _of_contenders(
        {
            "wall, ms": _median("first_answer_wall"),
            "spread": _spread("first_answer_wall"),
            "CPU, ms": _median("first_answer_cpu"),
            "CPU ÷ agentrun": _beside("first_answer_cpu", US),
        }
    ),
    "validate": _validate,
    "notes": _notes,
}


if __name__ == "__main__":
    main(sys.argv[1:])
