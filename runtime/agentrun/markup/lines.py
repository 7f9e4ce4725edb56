"""Texts in lines of a terminal, measured in its cells."""

from __future__ import annotations

from agentrun.markup.snippet import cells

_CUT = "…"


def cut(line: str, width: int) -> str:
    """A line of at most `width` cells."""
    if cells(line) <= width:
        return line
    head, _ = _head(line, max(width - 1, 1))
    return head + _CUT if cells(head) < width else _CUT


def wrapped(line: str, width: int) -> list[str]:
    """A line as lines of at most `width` cells, broken between words where there are any."""
    lines = []
    while cells(line) > width:
        head, rest = _head(line, max(width, 1))
        space = head.rfind(" ")
        if space > 0 and not rest.startswith(" "):
            head, rest = head[:space], head[space:] + rest
        lines.append(head.rstrip())
        line = rest.lstrip(" ")
    return [*lines, line]


def chopped(line: str, width: int) -> list[str]:
    """A line as lines of at most `width` cells, broken anywhere: nothing of it is left out."""
    lines = []
    while cells(line) > width:
        head, line = _head(line, max(width, 2))
        lines.append(head)
    return [*lines, line]


def _head(line: str, width: int) -> tuple[str, str]:
    """The longest beginning that fits, at least one character, and the rest."""
    if line.isascii():
        return line[: max(width, 1)], line[max(width, 1) :]
    taken = 0
    for index, character in enumerate(line):
        taken += cells(character)
        if taken > width and index:
            return line[:index], line[index:]
    return line, ""
