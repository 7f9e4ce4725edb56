"""Tables: what their lines say, and how they are drawn where they fit. Where they don't, each row is a line of text."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentrun.observers.prose.cells import cells
from agentrun.observers.prose.spans import runs_of
from agentrun.observers.prose.styles import DIM, PLAIN, STRONG, Run

if TYPE_CHECKING:
    from rich.text import Text

_DELIMITERS = re.compile(r" *\|?(?: *:?-+:? *\|)*(?: *:?-+:? *)?\Z")
_MAY_BE_DELIMITERS = re.compile(r"[ |:-]*\Z")
_CELL_ENDS = re.compile(r"(?<!\\)\|")
_MIN_CELLS = 8  # of a column whose text is broken
_GAP = 2
_WORDS = {"1": "bold", "2": "dim", "3": "italic", "4": "underline", "9": "strike", "36": "cyan"}


def may_be_delimiters(line: str) -> bool:
    return _MAY_BE_DELIMITERS.match(line) is not None


def is_delimiters(line: str, header: str) -> bool:
    """The line below a table's header."""
    return "-" in line and _DELIMITERS.match(line) is not None and len(cells_in(line)) == len(cells_in(header))


def cells_in(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip() for cell in _CELL_ENDS.split(inner)]


def drawn(lines: Sequence[str], room: int, *, styled: bool) -> list[str] | None:
    """A table's lines: its header, the delimiters, its rows. None where it is too wide."""
    header, delimiters, *rows = [cells_in(line) for line in lines]
    count = len(header)
    rows = [[*row[: count - 1], " | ".join(row[count - 1 :])] if len(row) > count else row for row in rows]
    texts = [[runs_of(cell, PLAIN, styled=styled) for cell in row] for row in (header, *rows)]
    widest = [max(_cells_of(row[column]) for row in texts if column < len(row)) for column in range(count)]
    least = sum(min(size, _MIN_CELLS) for size in widest)
    if least + _GAP * (count - 1) > room:
        return None
    return _draw(texts, delimiters, room, styled=styled)


def _draw(texts: Sequence[Sequence[list[Run]]], delimiters: Sequence[str], room: int, *, styled: bool) -> list[str]:
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table

    under_header = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
    table = Table(box=under_header, show_edge=False, pad_edge=False, padding=(0, 1), border_style="dim")
    for runs, delimiter in zip(texts[0], delimiters, strict=True):
        right, both = delimiter.endswith(":"), delimiter.startswith(":") and delimiter.endswith(":")
        table.add_column(
            _rich([(text, f"{STRONG};{style}" if style else STRONG) for text, style in runs]),
            justify="center" if both else "right" if right else "left",
            overflow="fold",
        )
    for row in texts[1:]:
        table.add_row(*map(_rich, row))
    out = io.StringIO()
    Console(
        file=out,
        width=room,
        color_system="standard" if styled else None,
        force_terminal=styled,
        no_color=not styled,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    ).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _rich(runs: Sequence[Run]) -> Text:
    from rich.text import Text

    text = Text()
    for part, style in runs:
        text.append(part, style=" ".join(_WORDS[number] for number in style.split(";") if number))
    return text


def row_runs(line: str, *, styled: bool) -> list[Run]:
    """A row as a line of text."""
    runs: list[Run] = []
    for position, cell in enumerate(cells_in(line)):
        runs += [(" | ", DIM)] if position else []
        runs += runs_of(cell, PLAIN, styled=styled)
    return runs


def _cells_of(runs: Sequence[Run]) -> int:
    return sum(cells(text) for text, _ in runs)
