"""Rows in aligned columns, for a terminal of any width. Pure but for the question how wide it is."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from agentrun.visible import one_line

_GAP = "  "
_MIN_LAST = 24
_UNBOUNDED = 10_000


def terminal_width() -> int:
    """Columns of the terminal, or of COLUMNS; without bound where stdout is a file or a pipe."""
    return shutil.get_terminal_size(fallback=(_UNBOUNDED, 24)).columns


def in_columns(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines with the cells aligned. The last column, a free text, is cut to fit.

    Where hardly any room is left for it, it stands indented on a line of its own.
    """
    table = [[one_line(cell, _UNBOUNDED) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(header) - 1)]
    room = width - sum(widths) - len(_GAP) * len(widths)
    lines = []
    for row in table:
        *cells, last = row
        start = _GAP.join(cell.ljust(size) for cell, size in zip(cells, widths, strict=True))
        if room >= _MIN_LAST:
            lines.append(f"{start}{_GAP}{one_line(last, room)}".rstrip())
        else:
            lines += [start.rstrip(), f"{_GAP}{one_line(last, max(width - len(_GAP), 1))}".rstrip()]
    return lines
