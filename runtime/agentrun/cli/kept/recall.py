"""Where a conversation stands that is taken up again: its title, and what was said last."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

from agentrun.cli.columns import line_width
from agentrun.cli.kept.listing import ago
from agentrun.diagnostics import counted
from agentrun.engine.messages import Message
from agentrun.markup.calls import failure_text
from agentrun.markup.lines import cut
from agentrun.sessions.export import Called, Noted, Piece, Prompt, Said, TookOver, pieces
from agentrun.sessions.session import Session
from agentrun.visible import in_a_line, one_line

_TITLE_CHARS = 60
_NOTE_CHARS = 200
_EXCHANGES = 2
_LINES = 3  # of a text


def _header(session: Session, now: float) -> str:
    title = one_line(session.title, _TITLE_CHARS)
    copied = f" · a copy of {session.forked_from}" if session.forked_from else ""
    return f"session {session.id} · {title} · {ago(session.changed, now)} · {counted(session.turns, 'turn')}{copied}"


def recalled(session: Session, messages: Sequence[Message]) -> list[str]:
    """The header, and the last exchanges, folded."""
    width = line_width(sys.stdout)
    said = [piece for piece in pieces(session, messages) if not isinstance(piece, Prompt)]
    begins = [at for at, piece in enumerate(said) if isinstance(piece, Said) and not piece.who]
    first = begins[-_EXCHANGES] if len(begins) >= _EXCHANGES else 0
    lines = [_header(session, time.time())]
    if first:
        lines.append("│ …")
    for piece in said[first:]:
        lines += (f"│ {cut(in_a_line(line), max(width - 3, 1))}" for line in _lines(piece))
    return lines


def _lines(piece: Piece) -> Iterator[str]:
    match piece:
        case Said(who, text, attached):
            rows = [row for row in text.splitlines() if row.strip()]
            if attached:
                rows.insert(0, f"[{', '.join(attached)}]")
            if not who and rows:
                rows[0] = f"> {rows[0]}"
            yield from rows[:_LINES]
            if len(rows) > _LINES:
                yield f"… {counted(len(rows) - _LINES, 'more line')}"
        case Noted(text):
            yield f"({one_line(text, _NOTE_CHARS)})"
        case Called():
            yield f"✗ {piece.line} → {failure_text(piece.result or '')}" if piece.is_error else f"• {piece.line}"
        case TookOver(who):
            yield f"→ {in_a_line(who)}"
