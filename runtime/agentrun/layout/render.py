"""The tree as lines: two spaces a level, everything else as it was written."""

from __future__ import annotations

import re

from agentrun.layout.gaps import BLANKS, is_blank, is_comment, trimmed
from agentrun.layout.tree import BREAKS, Block, Entry, Leaf

STEP = 2
_MAX_BLANK_LINES = 2
_BREAK = re.compile(rf"[{BREAKS}]+\Z")
_HEADER = re.compile(r"([|>])([-+0-9]*)(?=[ \t]*(?:#.*)?$)")
_HEADER_TAB = re.compile(r"([|>][-+0-9]*) *\t[ \t]*(?=#)")


def render(block: Block, lines: list[str], column: int = 0) -> list[str]:
    """The lines of a block whose entries stand in this column."""
    out: list[str] = []
    previous: Entry | None = None
    for entry in block.entries:
        out += _after(previous, placed(entry.leading, column))
        out += _entry(entry, lines, column, is_dash=not block.is_mapping)
        previous = entry
    return out + _after(previous, placed(block.trailing, column))


def placed(gap: list[str], column: int) -> list[str]:
    """Comments and blank lines in this column."""
    out: list[str] = []
    for line in gap:
        if not is_blank(line):
            out.append(" " * column + line.lstrip(BLANKS))
        elif len(out) < _MAX_BLANK_LINES or not all(map(is_blank, out[-_MAX_BLANK_LINES:])):
            out.append(_line_break(line))
    return out


def ends_open(value: Block | Leaf) -> bool:
    """Whether a blank line after the value would become a part of its last text."""
    if isinstance(value, Leaf):
        return value.is_open
    return all(map(is_blank, value.trailing)) and ends_open(value.entries[-1].value)


def _after(previous: Entry | None, gap: list[str]) -> list[str]:
    if previous is None or not ends_open(previous.value):
        return gap
    return trimmed(gap)


def _entry(entry: Entry, lines: list[str], column: int, *, is_dash: bool) -> list[str]:
    value = entry.value
    inner = column + STEP
    own = lines[entry.line][entry.column :]
    if isinstance(value, Block):
        if value.is_compact:
            return _compact(value, lines, column)
        first = _dash(own) if is_dash else own
        return [" " * column + first, *render(value, lines, inner)]
    if value.line > entry.line:
        shift = inner - value.column
        shifted = " " * inner + lines[value.line][value.column :]
        head = [" " * column + own, *placed(entry.between, inner), shifted]
    else:
        shift = inner - value.column if is_dash else column - entry.column
        head = [" " * column + (_dash(own) if is_dash else own)]
    return _with_rest(head, value, lines, column, shift) + placed(entry.instead, inner)


def _dash(own: str) -> str:
    rest = own[1:].lstrip(BLANKS)
    return own if is_blank(rest) or is_comment(rest) else f"- {rest}"


def _compact(value: Block, lines: list[str], column: int) -> list[str]:
    """A block behind a dash. The comments of what comes first there stand above the dash."""
    first = value.entries[0]
    above, first.leading = placed(first.leading, column), []
    inside = render(value, lines, column + STEP)
    number = next(number for number, line in enumerate(inside) if not (is_blank(line) or is_comment(line)))
    # Comments of blocks further inside have come to stand above their own dash, which is this line.
    above += placed(inside[:number], column)
    return [*above, f"{' ' * column}- {inside[number].lstrip(' ')}", *inside[number + 1 :]]


def _with_rest(head: list[str], leaf: Leaf, lines: list[str], column: int, shift: int) -> list[str]:
    """The first lines of a leaf, and the others moved along."""
    is_block = leaf.style in ("|", ">")
    rest = range(leaf.line + 1, (leaf.header if is_block else leaf.end_line) + 1)
    least = column if leaf.style == "flow" else column + STEP
    out = head + [_shifted(lines[number], shift, least) for number in rest]
    if not is_block:
        return out
    out[-1] = _header(out[-1], is_cut=leaf.is_cut)
    left = column + (leaf.indicator or STEP)
    for line in lines[leaf.header + 1 : leaf.end_line + 1]:
        rest_of_line = line[leaf.text_column :].rstrip(BREAKS)
        out.append(" " * left + line[leaf.text_column :] if rest_of_line else _line_break(line))
    return out


def _shifted(line: str, shift: int, least: int) -> str:
    if is_blank(line):
        return line
    text = line.lstrip(" ")
    return " " * max(len(line) - len(text) + shift, least) + text


def _header(line: str, *, is_cut: bool) -> str:
    """A text that ends with the file, without a line break, says so: one that follows would become a part of it."""
    ending = _line_break(line)
    text = _HEADER_TAB.sub(r"\1 ", line[: len(line) - len(ending)].rstrip(BLANKS), count=1)
    if is_cut:
        text = _HEADER.sub(lambda found: f"{found[1]}{found[2].replace('+', '')}-", text, count=1)
    return text + ending


def _line_break(line: str) -> str:
    found = _BREAK.search(line)
    return found[0] if found else ""
