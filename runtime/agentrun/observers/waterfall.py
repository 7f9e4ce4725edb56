"""Spans as a waterfall on a terminal: a line each, the tree on the left, when it went on as a bar, what it took.

Pure: spans in, lines out, for so many columns. Names are a model's and other programs' texts: they pass the escaping
sink. `style(text, name)` colours; the names are those of the console.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from agentrun.engine.messages import Usage
from agentrun.markup.calls import duration
from agentrun.observers import semconv
from agentrun.observers.prose.cells import cells, cut
from agentrun.observers.span import Span, in_order
from agentrun.visible import one_line

Style = Callable[[str, str], str]

_MAX_NAME = 44
_MIN_NAME = 12
_MIN_BAR = 16
_GAP = 2
_DEEP = 8  # further levels are not indented
_WAIT = "░"


class Piece(msgspec.Struct, frozen=True):
    """One run, or what stands alone: its first span, and all of its spans with their depth."""

    top: Span
    spans: tuple[tuple[int, Span], ...]

    @property
    def is_run(self) -> bool:
        return self.top.attributes.get(semconv.OPERATION) == "invoke_agent"


def pieces(spans: Iterable[Span]) -> list[Piece]:
    """Each run by itself, in the order of their beginning.

    Where a program was killed, the span of its run was never written: one stands for it, marked as unfinished.
    """
    found: list[list[tuple[int, Span]]] = []
    for depth, span in in_order(_with_runs(list(spans))):
        if depth == 0:
            found.append([])
        found[-1].append((depth, span))
    return [Piece(one[0][1], tuple(one)) for one in sorted(found, key=lambda one: one[0][1].start_ns)]


def waterfall(spans: Iterable[Span], columns: int, style: Style) -> list[str]:
    """The lines of a run, or of several below each other on one scale."""
    ordered = [row for piece in pieces(spans) for row in piece.spans]
    if not ordered:
        return []
    begin = min(waited_from(span) for _, span in ordered)
    end = max(span.end_ns for _, span in ordered)
    rows = [(name, span, _took(span)) for name, (_, span) in zip(_names(ordered), ordered, strict=True)]
    took = _fitting([row[2] for row in rows], columns)
    room = columns - sum(width + _GAP for width in took)
    name_width = min(max(cells(name) + 2 for name, _, _ in rows), _MAX_NAME, max(_MIN_NAME, room // 2))
    bar_width = room - name_width - _GAP
    if bar_width < _MIN_BAR:
        name_width, bar_width = max(room, _MIN_NAME), 0
    lines = []
    for name, span, facts in rows:
        parts = [_painted(_padded(name, name_width - 2), span, style)]
        if bar_width:
            parts.append(style(_bar(span, begin, max(end - begin, 1), bar_width), _color(span)))
        parts += [fact.rjust(width) for fact, width in zip(facts, took, strict=False)]
        lines.append((" " * _GAP).join(parts).rstrip())
    return lines


def headline(piece: Piece) -> str:
    """What came of a run and what it took, on one line."""
    return one_line(" · ".join(filter(None, [label(piece.top), ending(piece.top), *totals(piece)])), 400)


def totals(piece: Piece) -> list[str]:
    """The model that a run began with, and what it took with the agents behind tools."""
    attributes = piece.top.attributes
    calls = sum(semconv.TOOL in span.attributes for _, span in piece.spans)
    turns = sum(semconv.TURN in span.attributes for _, span in piece.spans)
    errors = sum(span.is_error for _, span in piece.spans[1:])
    told = [str(attributes.get(semconv.REQUEST_MODEL, "")), duration(piece.top.duration_s)]
    told += [_counted(turns, "turn"), _counted(calls, "call"), _counted(errors, "error")]
    return [one_line(one, 200) for one in (*told, usage_text(attributes), cost_text(attributes)) if one]


def ending(top: Span) -> str:
    if top.attributes.get(semconv.UNFINISHED):
        return "unfinished"
    return str(top.attributes.get(semconv.REASON) or top.attributes.get(semconv.ERROR) or "")


def label(span: Span) -> str:
    """A span as a person calls it: an agent, a tool, a model's turn."""
    attributes = span.attributes
    match attributes.get(semconv.OPERATION):
        case "invoke_agent":
            text = str(attributes.get(semconv.AGENT) or "agent")
        case "execute_tool":
            text = str(attributes.get(semconv.TOOL) or span.name)
        case _:
            text = span.name
    return one_line(text, 200) or "?"


def marks(span: Span) -> list[str]:
    """What is remarkable, in few words: an error, a refusal, retries, another model, a hand-off."""
    attributes = span.attributes
    names = [event.name for event in span.events]
    found = [_failed(span)] if span.is_error else []
    if (retries := names.count(semconv.RETRY)) > 0:
        found.append(_counted(retries, "retry", "retries"))
    if semconv.FALLBACK in names and attributes.get(semconv.RESPONSE_MODEL):
        found.append(f"by {attributes[semconv.RESPONSE_MODEL]}")
    if semconv.COMPACTED in names:
        found.append("compacted")
    if (asked := names.count(semconv.ELICITED)) > 0:
        found.append(_counted(asked, "question", "questions"))
    found += [f"→ {event.attributes.get(semconv.AGENT, '')}" for event in span.events if event.name == semconv.HAND_OFF]
    return [one_line(mark, 80) for mark in found]


def usage_of(attributes: dict[str, Any]) -> Usage | None:
    """Numbers of another program may be anything."""
    counts = [attributes.get(key, 0) for key in (semconv.INPUT_TOKENS, semconv.OUTPUT_TOKENS, semconv.CACHED_TOKENS)]
    if semconv.INPUT_TOKENS not in attributes or not all(isinstance(count, int) for count in counts):
        return None
    return Usage(counts[0], counts[1], counts[0] + counts[1], counts[2])


def usage_text(attributes: dict[str, Any]) -> str:
    usage = usage_of(attributes)
    if usage is None or not usage.total_tokens:
        return ""
    cached = f", {usage.cached_tokens:,} cached" if usage.cached_tokens else ""
    return f"{usage.total_tokens:,} tokens ({usage.input_tokens:,} + {usage.output_tokens:,}{cached})"


# -- the tree ------------------------------------------------------------------------------------------------


def _with_runs(spans: list[Span]) -> list[Span]:
    ids = {(span.trace_id, span.span_id) for span in spans}
    missing: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        key = span.trace_id, span.parent_id
        is_below = span.attributes.get(semconv.OPERATION) in ("chat", "execute_tool")
        if span.parent_id and key not in ids and is_below and semconv.RUN_ID in span.attributes:
            missing.setdefault(key, []).append(span)
    return spans + [_unfinished(trace_id, span_id, below) for (trace_id, span_id), below in missing.items()]


def _unfinished(trace_id: str, span_id: str, below: Sequence[Span]) -> Span:
    kept = (semconv.AGENT, semconv.RUN_ID, semconv.CONVERSATION, semconv.REQUEST_MODEL)
    attributes = {key: below[0].attributes[key] for key in kept if key in below[0].attributes}
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id="",
        name=f"invoke_agent {attributes.get(semconv.AGENT, '')}".rstrip(),
        kind="internal",
        start_ns=min(span.start_ns for span in below),
        end_ns=max(span.end_ns for span in below),
        attributes=attributes
        | {semconv.OPERATION: "invoke_agent", semconv.ERROR: "unfinished", semconv.UNFINISHED: True},
        is_error=True,
    )


def _names(ordered: Sequence[tuple[int, Span]]) -> Iterator[str]:
    """Labels below one another with the lines of the tree."""
    is_last = _last_ones([depth for depth, _ in ordered])
    last_of: list[bool] = []
    for (depth, span), last in zip(ordered, is_last, strict=True):
        del last_of[depth:]
        last_of.append(last)
        shown = last_of[1:_DEEP]
        stem = "".join("   " if last else "│  " for last in shown[:-1])
        branch = ("└─ " if shown[-1] else "├─ ") if depth else ""
        yield "  ".join([stem + branch + label(span), *marks(span)])


def _last_ones(depths: Sequence[int]) -> list[bool]:
    """Whether each is the last one below what it stands below."""
    found: list[bool] = []
    open_depths: list[int] = []  # from the end: those at which another one follows
    for depth in reversed(depths):
        while open_depths and open_depths[-1] > depth:
            open_depths.pop()
        is_last = not open_depths or open_depths[-1] < depth
        if is_last:
            open_depths.append(depth)
        found.append(is_last)
    return found[::-1]


# -- what it took --------------------------------------------------------------------------------------------


def _took(span: Span) -> list[str]:
    """Columns on the right, the most wanted first."""
    return [duration(span.duration_s), tokens_text(span.attributes), cost_text(span.attributes)]


def _fitting(rows: Sequence[Sequence[str]], columns: int) -> list[int]:
    """Widths of the columns that there is room for; one that is empty is left out with those after it."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    while widths and not widths[-1]:
        widths.pop()
    while len(widths) > 1 and columns - sum(width + _GAP for width in widths) < _MIN_NAME + _MIN_BAR + _GAP:
        widths.pop()
    return widths


def tokens_text(attributes: dict[str, Any]) -> str:
    usage = usage_of(attributes)
    return f"{usage.total_tokens:,}" if usage is not None and usage.total_tokens else ""


def cost_text(attributes: dict[str, Any]) -> str:
    cost = attributes.get(semconv.COST_USD)
    return f"${cost:.4f}" if isinstance(cost, (int, float)) else ""


def _counted(count: int, one: str, many: str = "") -> str:
    return "" if not count else f"{count:,} {one if count == 1 else many or one + 's'}"


# -- the bar -------------------------------------------------------------------------------------------------


def _bar(span: Span, begin: int, whole: int, width: int) -> str:
    """The time of a span within the whole, in halves of a cell; before it, light, the wait for a person."""

    def at(time_ns: int) -> int:
        return min(max((time_ns - begin) * width * 2 // whole, 0), width * 2)

    first, last = at(span.start_ns), at(span.end_ns)
    if last == first:
        first = min(first, width * 2 - 1)
        last = first + 1
    waited = at(waited_from(span)) // 2
    drawn = []
    for cell in range(width):
        left, right = first <= cell * 2 < last, first <= cell * 2 + 1 < last
        if left or right:
            drawn.append("█" if left and right else "▌" if left else "▐")
        else:
            drawn.append(_WAIT if waited <= cell < first // 2 else " ")
    return "".join(drawn)


def waited_from(span: Span) -> int:
    waited = span.attributes.get(semconv.APPROVAL_WAIT_S, 0)
    is_time = isinstance(waited, (int, float)) and 0 <= waited < 1e9
    return span.start_ns - round(waited * 1e9) if is_time else span.start_ns


def _color(span: Span) -> str:
    if span.is_error:
        return "error"
    return "tool" if semconv.TOOL in span.attributes else "info" if semconv.TURN in span.attributes else "dim"


def _painted(name: str, span: Span, style: Style) -> str:
    """An error shows without colours, too."""
    text = f"{'✗' if span.is_error else ' '} {name}"
    return style(text, "error") if span.is_error else text


def _failed(span: Span) -> str:
    if span.attributes.get(semconv.UNFINISHED):
        return "unfinished"
    error = str(span.attributes.get(semconv.ERROR) or "error")
    return "failed" if error == semconv.OTHER else error


def _padded(text: str, width: int) -> str:
    """Cut, or filled, to a width in cells."""
    text = cut(text, width)
    return text + " " * (width - cells(text))
