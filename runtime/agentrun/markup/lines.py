"""Texts in lines of a terminal, measured in its cells."""

from __future__ import annotations

from agentrun.markup.snippet import cells

_CUT = "…"


def cut(line: str, width: int) -> str:
    """A line of at most `width` cells."""
    if cells(line) <= width:
        return line
    head = line[: _end(line, _sizes(line), 0, max(width - 1, 1))]
    return head + _CUT if cells(head) < width else _CUT


def wrapped(line: str, width: int) -> list[str]:
    """A line as lines of at most `width` cells, broken between words where there are any."""
    sizes = _sizes(line)
    lines, at = [], 0
    while (end := _end(line, sizes, at, width)) < len(line):
        space = line.rfind(" ", at + 1, end)
        if space > 0 and line[end] != " ":
            end = space
        lines.append(line[at:end].rstrip())
        at = end
        while line[at : at + 1] == " ":
            at += 1
    return [*lines, line[at:]]


def chopped(line: str, width: int) -> list[str]:
    """A line as lines of at most `width` cells, broken anywhere: nothing of it is left out."""
    sizes = _sizes(line)
    lines, at = [], 0
    while (end := _end(line, sizes, at, max(width, 2))) < len(line):
        lines.append(line[at:end])
        at = end
    return [*lines, line[at:]]


def beginning(text: str, max_chars: int) -> str:
    """Of a long text only the beginning, and how much is missing."""
    left_out = len(text) - max_chars
    return text if left_out <= 0 else f"{text[:max_chars]}\n{_CUT} {left_out:,} more characters"


def _sizes(line: str) -> list[int] | None:
    """The cells of each character; None where each takes one."""
    return None if line.isascii() else [cells(one) for one in line]


def _end(line: str, sizes: list[int] | None, at: int, width: int) -> int:
    """Where the longest piece ends that begins at a place and fits. It has at least one character."""
    if sizes is None:
        return min(at + max(width, 1), len(line))
    taken = 0
    for end in range(at, len(line)):
        taken += sizes[end]
        if taken > width and end > at:
            return end
    return len(line)
