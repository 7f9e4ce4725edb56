"""A session as a person reads it in a terminal: who spoke, calls on one line, results folded or whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.cli.colors import Painter
from agentrun.cli.kept.listing import ago
from agentrun.diagnostics import counted
from agentrun.markup.calls import failure_text
from agentrun.markup.lines import wrapped
from agentrun.sessions.export import Called, Noted, Piece, Prompt, Said, TookOver, pieces
from agentrun.sessions.session import Session
from agentrun.visible import in_a_line, one_line, visible

_RESULT_CHARS = 40  # at least, however narrow the terminal


class Layout(msgspec.Struct, frozen=True):
    """How wide a line is, and whether longer ones are broken: a terminal would break them at its edge."""

    width: int
    wraps: bool

    def indented(self, text: str, by: str = "  ") -> Iterator[str]:
        """Each line stands in from the edge, so that none can pass for the name of a speaker."""
        for line in visible(text.expandtabs(4)).strip("\n").split("\n"):
            rows = wrapped(line, self.width - len(by)) if self.wraps else [line]
            yield from (f"{by}{row}".rstrip() for row in rows)


def shown(
    session: Session, messages: Sequence[Mapping[str, Any]], paint: Painter, *, now: float, layout: Layout, full: bool
) -> Iterator[str]:
    """Lines that are safe to print. `full` shows the system prompt, all arguments and whole results."""
    width = layout.width
    yield paint(one_line(session.title, max(width, 20)) or "a conversation", "bold")
    yield paint(" · ".join(_facts(session, now)), "dim")
    before: str | None = None
    for piece in pieces(session, messages):
        who = _speaker(piece)
        if isinstance(piece, Prompt) and not full:
            continue
        if who != before:
            yield ""
            yield paint(in_a_line(who), "bold")
        before = who
        yield from _lines(piece, paint, layout, full=full)


def _facts(session: Session, now: float) -> Iterator[str]:
    yield in_a_line(session.id)
    yield in_a_line(session.agent)
    if session.model:
        yield f"model {in_a_line(session.model)}"
    yield ago(session.changed, now)
    yield counted(session.turns, "turn")
    if session.total_tokens:
        yield f"{session.total_tokens:,} tokens"
    if session.cost_usd is not None:
        yield f"${session.cost_usd:.4f}"
    if session.forked_from:
        yield f"a copy of {in_a_line(session.forked_from)}"


def _speaker(piece: Piece) -> str:
    match piece:
        case Prompt():
            return "system prompt"
        case Noted():
            return "note"
    return piece.who or "you"


def _lines(piece: Piece, paint: Painter, layout: Layout, *, full: bool) -> Iterator[str]:
    match piece:
        case Prompt(text):
            yield from layout.indented(text)
        case Said(_, text, attached):
            if attached:
                yield paint(f"  [{in_a_line(', '.join(attached))}]", "dim")
            yield from layout.indented(text)
        case Noted(text):
            yield from (paint(line, "dim") for line in layout.indented(text))
        case TookOver():
            yield paint("  takes over", "dim")
        case Called():
            yield from _whole(piece, paint, layout) if full else _folded(piece, paint, layout.width)


def _folded(call: Called, paint: Painter, width: int) -> Iterator[str]:
    told = "no result" if call.result is None else failure_text(call.result)
    room = max(_RESULT_CHARS, width - len(call.line) - 8)
    result = paint(one_line(told, room), "error" if call.is_error else "dim")
    yield f"  {_mark(call, paint)} {paint(call.line, 'tool')} → {result}"


def _whole(call: Called, paint: Painter, layout: Layout) -> Iterator[str]:
    yield f"  {_mark(call, paint)} {paint(in_a_line(call.name), 'tool')}"
    if call.arguments is not None:
        yield from layout.indented(json.dumps(call.arguments, indent=2, ensure_ascii=False), "    ")
    for line in layout.indented("no result" if call.result is None else call.result, "    "):
        yield paint(line, "error" if call.is_error else "dim")


def _mark(call: Called, paint: Painter) -> str:
    return paint("✗", "error") if call.is_error else paint("•", "tool")
