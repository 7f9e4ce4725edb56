"""How wide lines may be, and rows in aligned columns. Pure but for the question how wide a terminal is."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TextIO

from agentrun.markup.lines import cut
from agentrun.markup.snippet import cells
from agentrun.visible import one_line

LOG_COLUMNS = 160
_GAP = "  "
_MIN_LAST = 24
_UNBOUNDED = 10_000


def line_width(stream: TextIO) -> int:
    """How wide lines of prose may be: the terminal's width; elsewhere enough for a line of a log."""
    return shutil.get_terminal_size().columns if stream.isatty() else LOG_COLUMNS


def terminal_width() -> int:
    """Columns of the terminal, or of COLUMNS; without bound where stdout is a file or a pipe."""
    return shutil.get_terminal_size(fallback=(_UNBOUNDED, 24)).columns


def in_columns(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines with the cells aligned. The last column, a free text, is cut to fit.

    Where hardly any room is left for it, it stands indented on a line of its own; where the others don't fit either,
    they are not aligned and there is no header.
    """
    table = [[one_line(cell, _UNBOUNDED) for cell in row] for row in (header, *rows)]
    widths = [max(cells(row[index]) for row in table) for index in range(len(header) - 1)]
    taken = sum(widths) + len(_GAP) * len(widths)
    lines = []
    for row in table if width >= taken else table[1:]:
        aligned = _GAP.join(cell + " " * (size - cells(cell)) for cell, size in zip(row[:-1], widths, strict=True))
        if width - taken >= _MIN_LAST:
            lines.append(f"{aligned}{_GAP}{row[-1]}")
        elif width >= taken:
            lines += [aligned, f"{_GAP}{row[-1]}"]
        else:
            lines += [row[0], f"{_GAP}{' · '.join(row[1:-1])}", f"{_GAP}{row[-1]}"]
    return [cut(line.rstrip(), width) for line in lines]
