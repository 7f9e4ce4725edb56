"""The line of a file that a finding is about, and carets right under the place, in the cells of a terminal.

A line longer than the terminal is cut around the place: once a terminal wraps it, no caret stands right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from agentrun.diagnostics import Span
from agentrun.visible import visible

MIN_WIDTH, MAX_WIDTH = 40, 160
_CUT = "…"


def snippet(lines: Sequence[str], span: Span, width: int) -> list[str]:
    """Two lines of at most `width` cells, for a file's lines; none where the line is blank or not there."""
    if not 0 < span.line <= len(lines) or not lines[span.line - 1].strip():
        return []
    line = lines[span.line - 1]
    number = str(span.line)
    begin = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line.rstrip())
    room = max(MIN_WIDTH, min(width, MAX_WIDTH)) - len(number) - 5
    shown, before, marked = _window(line, begin, max(begin, end), room)
    return [f"  {number} | {shown}", f"  {' ' * len(number)} | {' ' * before}{'^' * max(1, marked)}"]


def _window(line: str, begin: int, end: int, room: int) -> tuple[str, int, int]:
    """What is shown of a line, and how many cells of it stand before the place and in it."""
    # No more of a long line than could be shown is looked at.
    first = max(0, begin - room)
    pieces = [_shown(character) for character in line[first : begin + room + 1]]
    is_cut_after = begin + room + 1 < len(line)
    ends = [0, *accumulate(map(cells, pieces))]
    place = begin - first
    last_marked = min(end - first, len(pieces))
    left = 0
    if first or ends[place] + min(ends[last_marked] - ends[place], room // 2) > room - len(_CUT):
        left = next(at for at in range(place + 1) if ends[place] - ends[at] <= room // 2)
    mark = _CUT if first + left else ""
    right = len(pieces)
    if is_cut_after or len(mark) + ends[right] - ends[left] > room:
        is_cut_after = True
        while right > place and len(mark) + ends[right] - ends[left] + len(_CUT) > room:
            right -= 1
    shown = mark + "".join(pieces[left:right]) + (_CUT if is_cut_after else "")
    marked = ends[max(place, min(last_marked, right))] - ends[place]
    return shown, len(mark) + ends[place] - ends[left], marked


def _shown(character: str) -> str:
    return " " if character == "\t" else visible(character)


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(one) in ("Mn", "Me", "Cf") else 2 if east_asian_width(one) in ("W", "F") else 1 for one in text
    )
