"""Lines, columns and what stands between entries: the text of a file as fixes see it.

Knows spans and offsets in code points, nothing of nodes.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from agentrun.diagnostics import Edit, Fix, Span
from agentrun.spec.nodes import LINE_BREAK, line_starts


def stretch(text: str, span: Span) -> tuple[int, int] | None:
    """From which code point to which; None where the text has no such place."""
    start, end = _offset(text, span.line, span.column), _offset(text, span.end_line, span.end_column)
    return (start, end) if start is not None and end is not None and start <= end else None


def written(text: str, span: Span) -> str:
    """What stands at a place; nothing where the text has no such place."""
    found = stretch(text, span)
    return text[found[0] : found[1]] if found is not None else ""


def _offset(text: str, line: int, column: int) -> int | None:
    starts = line_starts(text)
    if not (1 <= line <= len(starts) and column >= 1):
        return None
    at = starts[line - 1] + column - 1
    return at if at <= _last_column(text, starts, line) else None


def _last_column(text: str, starts: tuple[int, ...], line: int) -> int:
    """Where a line ends, without its line break."""
    if line == len(starts):
        return len(text)
    return starts[line] - (2 if text.startswith("\r\n", starts[line] - 2) else 1)


def line_start(text: str, at: int) -> int:
    """Where the line of an offset begins."""
    starts = line_starts(text)
    return starts[bisect_right(starts, at) - 1]


def line_end(text: str, at: int) -> int:
    """Where the line of an offset ends, without its line break."""
    found = LINE_BREAK.search(text, at)
    return found.start() if found else len(text)


def place(text: str, file: str, start: int, end: int) -> Span:
    """The span of a stretch of code points."""
    starts = line_starts(text)
    first, last = bisect_right(starts, start), bisect_right(starts, end)
    return Span(file, first, start - starts[first - 1] + 1, last, end - starts[last - 1] + 1)


def start_of(span: Span) -> Span:
    return Span(span.file, span.line, span.column, span.line, span.column)


def put_around(span: Span, before: str, after: str, title: str, *, safe: bool) -> Fix:
    end = Span(span.file, span.end_line, span.end_column, span.end_line, span.end_column)
    return Fix(title, (Edit(start_of(span), before), Edit(end, after)), safe)


def quotes_for(text: str) -> str | None:
    """Quotes that a text of one line can stand in as it is."""
    if not text.isprintable():
        return None
    return '"' if '"' not in text and "\\" not in text else "'" if "'" not in text else None


_TEMPLATE = r"\{\{(?:(?!\}\}|\{\{).)*\}\}"
_IN_FLOW = re.compile(rf"{_TEMPLATE}[^,\[\]{{}}#\"':]*(?=[,\]}}])")
_IN_BLOCK = re.compile(rf"(?:{_TEMPLATE}|(?!\{{\{{|: |:$).)+")
_COMMENT = re.compile(r"[ \t]#")


def quoted_template(file: str, text: str, start: int, *, in_flow: bool) -> Fix | None:
    """Quotes around a value that begins with `{{`, where its end in the same line is certain."""
    line = text[start : line_end(text, start)]
    found = _IN_FLOW.match(line) if in_flow else _IN_BLOCK.fullmatch(_without_comment(line))
    return _quoted(file, text, start, found.group().rstrip(), safe=True) if found else None


def quoted_line(file: str, text: str, start: int) -> Fix | None:
    """Quotes around what stands from a place to the end of its line, or to a comment there."""
    return _quoted(file, text, start, _without_comment(text[start : line_end(text, start)]), safe=False)


def _without_comment(line: str) -> str:
    found = _COMMENT.search(line)
    return (line[: found.start()] if found else line).rstrip()


def _quoted(file: str, text: str, start: int, value: str, *, safe: bool) -> Fix | None:
    mark = quotes_for(value)
    if not value or mark is None:
        return None
    return put_around(place(text, file, start, start + len(value)), mark, mark, "put it in quotes", safe=safe)


def remove_entry(text: str, key: Span, value: Span, title: str) -> Fix | None:
    """An entry of a mapping, not its first, taken out."""
    first, last = stretch(text, key), stretch(text, value)
    if first is None or last is None or last[1] < first[1]:
        return None
    start, end = first[0], last[1]
    gap = line_gap(text, start, end, before="") or flow_gap(text, start, end)
    return Fix(title, (Edit(place(text, key.file, *gap), ""),), safe=False) if gap else None


_AFTER_IN_FLOW = re.compile(r"\s*[,\]}]")
_REST_OF_LINE = re.compile(r"[ \t]*,?[ \t]*(?:(?<=[ \t,])#.*)?")


def flow_gap(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The stretch of an entry and the comma before it, which stands in the same line."""
    line = line_start(text, start)
    before = text[line:start].rstrip(" \t")
    if not before.endswith(",") or not _AFTER_IN_FLOW.match(text, end):
        return None
    return line + len(before) - 1, end


def line_gap(text: str, start: int, end: int, *, before: str) -> tuple[int, int] | None:
    """The lines of an entry that has them to itself."""
    line = line_start(text, start)
    if text[line:start].strip(" ") != before.strip(" "):
        return None
    if end > start and line_start(text, end) == end:  # a block text ends where the next line begins
        return line, end
    eol = line_end(text, end)
    if not _REST_OF_LINE.fullmatch(text, end, eol):
        return None
    found = LINE_BREAK.match(text, eol)
    return line, found.end() if found else eol


def line_break(text: str, at: int) -> str:
    """How the line of an offset ends; the last line as the first one."""
    found = LINE_BREAK.search(text, at) or LINE_BREAK.search(text)
    return found.group() if found else "\n"
