"""A tool call that has ended, on one row: what was called, how long it took, how much came back, and how that begins.
And how far one is that goes on.

Never wider than the window. Where there is little room the arguments and the result are cut, then left out. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agentrun.engine.events import ToolFinished, ToolProgress
from agentrun.markup.calls import call_line, duration, failure_text, size
from agentrun.observers.prose.cells import cells, cut
from agentrun.visible import one_line, visible

Style = Callable[[str, str], str]
_LEAST = 12  # cells of a call and its result together; less tells nothing
_ARROW = " → "
_SEEN_CHARS = 2000  # of a result: one row shows no more
_ROOMY = 44  # cells of both
_PROGRESS_CHARS = 200


def call_row(
    event: ToolFinished,
    arguments: Mapping[str, Any] | None,
    columns: int,
    style: Style,
    *,
    agent: str = "",
    depth: int = 0,
) -> str:
    """`agent` is told of one that works behind another one's call, `depth` deep."""
    told = failure_text(event.result) if event.is_error else event.result
    result = visible(" ".join(told[:_SEEN_CHARS].split()))
    indent = "  " * min(depth, max(0, columns // 8))
    before = f"{one_line(agent, 32)}: " if agent else ""
    if cells(before) > columns // 2:
        before = ""
    room = columns - len(indent) - 2 - cells(before)
    call = call_line(event.name, arguments)
    took = duration(event.duration_s) if event.duration_s else ""  # none: it was not run
    if cells(call) + cells(_aside(took)) + 3 + cells(result) <= room and result == one_line(told, len(told) + 1):
        aside = _aside(took)
    else:
        aside = _aside_that_fits(
            took, "" if event.is_error else size(len(event.result.encode("utf-8", "replace"))), room
        )
        share = 2 if event.is_error else 3
        call, result = _fitted(event.name, arguments, result, room - cells(aside), share)
    mark, color = ("✗", "error") if event.is_error else ("•", "tool")
    arrow = f"{_ARROW}{style(result, 'error' if event.is_error else 'dim')}" if result else ""
    return f"{indent}{style(mark, color)} {style(before, 'dim') if before else ''}{style(call, 'tool')}{aside}{arrow}"


def progress_text(event: ToolProgress) -> str:
    """`12/50 reading`, as its server tells it. Safe to show."""
    done = _number(event.progress)
    if event.total is not None and event.total > 0:
        done += f"/{_number(event.total)}"
    return one_line(f"{done} {event.message or ''}", _PROGRESS_CHARS)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"


def _fitted(name: str, arguments: Mapping[str, Any] | None, result: str, room: int, share: int) -> tuple[str, str]:
    """The call and the result, which has that share of the room, or more where the call leaves it."""
    free = room - len(_ARROW)
    if free < _LEAST:
        return cut(call_line(name, arguments), room), ""
    wanted = min(cells(result), max(free // share, free - cells(call_line(name, arguments))))
    most = free - wanted
    call = call_line(name, arguments, most)
    if cells(call) > most:
        call = cut(call, most)
    return call, cut(result, free - cells(call))


def _aside_that_fits(took: str, came: str, room: int) -> str:
    """In a narrow window the call and its result matter more than the time and the size."""
    for parts in ((took, came), (took,)):
        aside = _aside(*parts)
        if room - cells(aside) >= _ROOMY:
            return aside
    return ""


def _aside(*parts: str) -> str:
    told = ", ".join(part for part in parts if part)
    return f" ({told})" if told else ""
