"""Tables: what their lines say, and how they are drawn where they fit. Where they don't, each row is a small list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agentrun.observers.prose.cells import cells
from agentrun.observers.prose.flow import Flow
from agentrun.observers.prose.spans import runs_of
from agentrun.observers.prose.styles import DIM, PLAIN, STRONG, Run, joined, painted

_DELIMITERS = re.compile(r" *\|?(?: *:?-+:? *\|)*(?: *:?-+:? *)?\Z")
_MAY_BE_DELIMITERS = re.compile(r"[ |:-]*\Z")
_BAR = re.compile(r"(?<!\\)\|")
_BAR_OR_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)|(?<!\\)\|")
_BREAK = re.compile(r" *<br */?> *", re.IGNORECASE)
_STYLE = re.compile(r"\x1b\[[\d;]*m")
_MIN_CELLS = 8  # of a column whose text is broken
_WORD_CELLS = 16  # of a word that is not broken
_GAP = "  "


def may_be_delimiters(line: str) -> bool:
    return _MAY_BE_DELIMITERS.match(line) is not None


def is_delimiters(line: str, header: str) -> bool:
    """The line below a table's header."""
    if "-" not in line or not _DELIMITERS.match(line):
        return False
    count = len(cells_in(line))
    return len(cells_in(header, count)) == count


def cells_in(line: str, count: int = 0) -> list[str]:
    """Of more than `count` cells bars in code make none: they should have a backslash before them, and often don't."""
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    found = _BAR.split(inner)
    if count and len(found) > count and "`" in inner:
        ends = [bar.start() for bar in _BAR_OR_CODE.finditer(inner) if bar.group() == "|"]
        found = [inner[start:end] for start, end in zip([0, *(end + 1 for end in ends)], [*ends, None], strict=True)]
    return [_BREAK.sub("\n", cell.strip().replace("\\|", "|")) for cell in found]


def drawn(lines: Sequence[str], room: int, *, styled: bool) -> list[str] | None:
    """A table's lines: its header, the delimiters, its rows. None where it is too wide."""
    delimiters = cells_in(lines[1])
    count = len(delimiters)
    rows = [_filled(cells_in(line, count), count) for line in (lines[0], *lines[2:])]
    header, *texts = [[runs_of(cell, PLAIN, styled=styled) for cell in row] for row in rows]
    widths = _widths([header, *texts], room)
    if widths is None:
        return None
    header = [[(text, joined(STRONG, style)) for text, style in runs] for runs in header]
    shown = [list(_row(row, delimiters, widths, styled=styled)) for row in (header, *texts)]
    between = [""] if any(len(one) > 1 for one in shown[1:]) else []  # else it is not seen where a row ends
    rule = painted("─" * (sum(widths) + len(_GAP) * (count - 1)), DIM if styled else PLAIN)
    out = [*shown[0], rule]
    for position, one in enumerate(shown[1:]):
        out += [*(between if position else []), *one]
    return out


def records(lines: Sequence[str], *, styled: bool) -> Iterator[list[list[Run]]]:
    """A table's rows, each as lines: its cells, each behind the name of its column."""
    count = len(cells_in(lines[1]))
    header, *rows = [_filled(cells_in(line, count), count) for line in (lines[0], *lines[2:])]
    names = [runs_of(_on_one_line(name), DIM, styled=styled) for name in header]
    for row in rows:
        texts = [runs_of(_on_one_line(cell), PLAIN, styled=styled) for cell in row]
        texts[0] = [(text, joined(STRONG, style)) for text, style in texts[0]]
        named = [[*name, (": ", DIM), *text] if name else text for name, text in zip(names, texts, strict=True)]
        yield [one for one, text in zip(named, texts, strict=True) if text] or [names[0]]


def _on_one_line(cell: str) -> str:
    return cell.replace("\n", "; ")


def _filled(row: list[str], count: int) -> list[str]:
    """As many cells as there are columns; what is too much stands in the last one."""
    if len(row) < count:
        return row + [""] * (count - len(row))
    return [*row[: count - 1], " | ".join(row[count - 1 :])]


def _widths(texts: Sequence[Sequence[list[Run]]], room: int) -> list[int] | None:
    """The cells of each column: as many as it needs, or a fair part of the room, and whole words."""
    columns = list(zip(*texts, strict=True))
    widest = [max(map(_cells_of, column)) for column in columns]
    least = [
        min(size, max(_MIN_CELLS, min(_WORD_CELLS, max(map(_longest, column)))))
        for size, column in zip(widest, columns, strict=True)
    ]
    free = room - len(_GAP) * (len(columns) - 1)
    if sum(least) > free:
        return None
    for most in range(max(widest), 0, -1):
        widths = [max(low, min(size, most)) for low, size in zip(least, widest, strict=True)]
        if sum(widths) <= free:
            return widths
    return least


def _row(row: Sequence[list[Run]], delimiters: Sequence[str], widths: Sequence[int], *, styled: bool) -> Iterator[str]:
    columns = [_wrapped(runs, width, styled=styled) for runs, width in zip(row, widths, strict=True)]
    for number in range(max(map(len, columns))):
        parts = [
            _aligned(column[number] if number < len(column) else "", width, delimiter)
            for column, width, delimiter in zip(columns, widths, delimiters, strict=True)
        ]
        yield _GAP.join(parts).rstrip()


def _wrapped(runs: Sequence[Run], width: int, *, styled: bool) -> list[str]:
    flow = Flow(lambda: width, styled=styled, whole_addresses=False)
    flow.begin()
    for text, style in runs:
        text, *lines = text.split("\n")
        flow.put(text, style)
        for line in lines:
            flow.end()
            flow.begin()
            flow.put(line, style)
    flow.end()
    return flow.take().removesuffix("\n").split("\n")


def _aligned(text: str, width: int, delimiter: str) -> str:
    free = " " * (width - cells(_STYLE.sub("", text)))
    if not delimiter.endswith(":"):
        return text + free
    left = len(free) // 2 if delimiter.startswith(":") else len(free)
    return free[:left] + text + free[left:]


def _cells_of(runs: Sequence[Run]) -> int:
    return max(map(cells, "".join(text for text, _ in runs).split("\n")))


def _longest(runs: Sequence[Run]) -> int:
    """Cells of the longest word; one of wide characters can be broken."""
    words = "".join(text for text, _ in runs).split()
    return max((len(word) for word in words if cells(word) == len(word)), default=0)
