"""Runs as one HTML page that stands alone: a waterfall whose lines unfold what is known of each span.

Every text of others passes `escaped` or `_box`; what a page may do is in `markup/page.py`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from agentrun import __version__
from agentrun.markup.calls import duration
from agentrun.markup.page import escaped_line, page
from agentrun.observers import semconv
from agentrun.observers.span import Span, SpanEvent
from agentrun.observers.waterfall import (
    Piece,
    cost_text,
    ending,
    label,
    marks,
    tokens_text,
    totals,
    usage_text,
    waited_from,
)
from agentrun.visible import in_a_line, visible

MAX_CHARS = 20_000  # of one text
MAX_SPANS = 2_000  # of one page
_WHOLE = 10_000  # parts that a bar is measured in
_LEAST = 60  # of them, so that it is seen
_DEEPEST = 8  # further levels are not indented
_LONG_CHARS = 90  # a longer text gets a box
_SCROLLS_LINES, _SCROLLS_CHARS = 12, 900
_TICKS = 4
_SAID = {semconv.CALL_ARGUMENTS: "arguments", semconv.CALL_RESULT: "result"}
_MESSAGES = (semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES)


def escaped(text: str) -> str:
    """A text on one line, of a very long one its beginning."""
    return escaped_line(text, MAX_CHARS)


def as_html(chosen: Sequence[Piece], title: str) -> str:
    style = files("agentrun.observers").joinpath("waterfall.css").read_text(encoding="utf-8")
    return page(f"{escaped(title)} · agentrun trace", style, _body(chosen, title))


def _body(chosen: Sequence[Piece], title: str) -> Iterator[str]:
    yield "<header>"
    yield f"<h1>{escaped(title)}</h1>"
    yield f'<p class="soft">{len(chosen)} {"run" if len(chosen) == 1 else "runs"} · agentrun {__version__}</p>'
    yield "</header>"
    yield "<main>"
    room = MAX_SPANS
    for number, piece in enumerate(chosen, 1):
        yield from _piece(number, piece, room)
        room = max(0, room - len(piece.spans))
    yield "</main>"


def _piece(number: int, piece: Piece, room: int) -> Iterator[str]:
    top = piece.top
    begun = datetime.datetime.fromtimestamp(top.start_ns / 1e9, datetime.UTC)
    yield f'<section aria-labelledby="run-{number}">'
    yield f'<h2 id="run-{number}">{escaped(label(top))}'
    yield f' <span class="ending {"bad" if top.is_error else "good"}">{escaped(ending(top))}</span></h2>'
    yield f'<p class="soft">{escaped(" · ".join(totals(piece)))}</p>'
    yield f'<p class="soft">{begun:%Y-%m-%d %H:%M:%S} UTC · trace <code>{escaped(top.trace_id)}</code></p>'
    begin = min(waited_from(span) for _, span in piece.spans)
    whole = max(1, max(span.end_ns for _, span in piece.spans) - begin)
    yield '<div class="rows">'
    yield from _scale(whole)
    for depth, span in piece.spans[:room]:
        yield from _row(depth, span, begin, whole)
    yield "</div>"
    if len(piece.spans) > room:
        yield f'<p class="soft">… {len(piece.spans) - room:,} more spans are not shown</p>'
    yield "</section>"


def _scale(whole_ns: int) -> Iterator[str]:
    ticks = "".join(f"<span>{duration(whole_ns * tick / _TICKS / 1e9)}</span>" for tick in range(_TICKS))
    yield f'<div class="scale" aria-hidden="true"><span></span><span class="ticks">{ticks}</span>'
    yield '<span class="more"></span><span class="more"></span>'
    yield f'<span class="facts">{duration(whole_ns / 1e9)}</span></div>'


def _row(depth: int, span: Span, begin: int, whole: int) -> Iterator[str]:
    facts = list(filter(None, [duration(span.duration_s), usage_text(span.attributes), cost_text(span.attributes)]))
    hint = escape(" · ".join([in_a_line(span.name), *facts]), quote=True)
    error = '<span class="hidden-text">failed:</span>' if span.is_error else ""
    yield f'<details class="row {_kind(span)}{" bad" if span.is_error else ""}"><summary title="{hint}">'
    told = "".join(f'<span class="mark">{escaped(mark)}</span>' for mark in marks(span))
    yield f'<span class="name d{min(depth, _DEEPEST)}">{error}<span>{escaped(label(span))}</span>{told}</span>'
    yield _bar(span, begin, whole)
    for more in (tokens_text(span.attributes), cost_text(span.attributes)):
        yield f'<span class="facts more">{more}</span>'
    yield f'<span class="facts">{escaped(duration(span.duration_s))}</span>'
    yield "</summary>"
    yield '<div class="body">'
    yield from _details(span, facts, begin)
    yield "</div></details>"


def _kind(span: Span) -> str:
    if semconv.TOOL in span.attributes:
        return "tool"
    return "chat" if semconv.TURN in span.attributes else "agent"


def _bar(span: Span, begin: int, whole: int) -> str:
    def at(time_ns: int) -> int:
        return min(max((time_ns - begin) * _WHOLE // whole, 0), _WHOLE)

    first = min(at(span.start_ns), _WHOLE - _LEAST)
    width = max(at(span.end_ns) - first, _LEAST)
    waited = at(waited_from(span))
    wait = f'<rect class="wait" x="{waited}" y="3" width="{first - waited}" height="6"/>' if waited < first else ""
    box = f'class="bar" viewBox="0 0 {_WHOLE} 12" preserveAspectRatio="none" aria-hidden="true"'
    return f'<svg {box}>{wait}<rect class="time" x="{first}" y="0" width="{width}" height="12"/></svg>'


def _details(span: Span, facts: Sequence[str], begin: int) -> Iterator[str]:
    after = duration((span.start_ns - begin) / 1e9)
    yield f'<p class="soft">{escaped(span.name)} · began after {after} · {escaped(" · ".join(facts))}</p>'
    if span.message:
        yield f'<p class="message">{escaped(span.message)}</p>'
    shown = set(_SAID)
    for key in _MESSAGES:
        if said := _said(span.attributes.get(key)):
            shown.add(key)
            yield from said
    for key, title in _SAID.items():
        if key in span.attributes:
            yield f'<p class="what">{title}</p>{_box(_pretty(span.attributes[key]))}'
    for event in span.events:
        yield from _event(event, begin)
    others = {key: value for key, value in span.attributes.items() if key not in shown}
    yield _table({**others, "span id": span.span_id, **({"parent id": span.parent_id} if span.parent_id else {})})


def _said(messages: Any) -> list[str]:
    """Messages in the conventions' form, each with who said it; nothing where they have another form."""
    try:
        found = json.loads(messages)
        return [line for message in found for part in message["parts"] for line in _part(message["role"], part)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def _part(role: str, part: dict[str, Any]) -> list[str]:
    who, text = str(role), part.get("content")
    match part["type"]:
        case "reasoning":
            who = "reasoning"
        case "tool_call":
            who, text = f"calls {part.get('name')}", part.get("arguments")
        case "tool_call_response":
            who, text = "is told", part.get("response")
    shown = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    return [f'<p class="what">{escaped(who)}</p>{_box(_pretty(shown))}']


def _event(event: SpanEvent, begin: int) -> Iterator[str]:
    yield f'<p class="what">{escaped(event.name)} after {duration((event.time_ns - begin) / 1e9)}</p>'
    if event.attributes:
        yield _table(event.attributes)


def _table(attributes: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escaped(key)}</th><td>{_cell(value)}</td></tr>' for key, value in attributes.items()
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escaped(text) if len(text) <= _LONG_CHARS and "\n" not in text else _box(text)


def _pretty(value: Any) -> str:
    """Long JSON laid out; any other text as it is."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > MAX_CHARS or not text.startswith(("{", "[")):
        return text
    try:
        return text if len(text) <= _LONG_CHARS else json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _box(text: str) -> str:
    """A text in a box that scrolls; of a very long one only the beginning, and how much is missing."""
    scrolls = text.count("\n") > _SCROLLS_LINES or len(text) > _SCROLLS_CHARS
    left_out = len(text) - MAX_CHARS
    note = f'<p class="soft">… {left_out:,} more characters are not shown</p>' if left_out > 0 else ""
    stop = ' tabindex="0"' if scrolls else ""
    return f"<pre{stop}>{escape(visible(text[:MAX_CHARS]))}</pre>{note}"
