"""A conversation as a person follows it: the answer as it streams, each tool call on a line of its own.

Appends only; what was printed is never redrawn. All that comes from models and tools passes the escaping sink.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.visible import one_line, visible

Write = Callable[[str], None]
Style = Callable[[str, str], str]
_RESULT_CHARS = 40  # at least, however narrow the terminal
_CALL_CHARS = 160
_LINE_CHARS = 400


class Console:
    """Prints events: the answer through `answer`, all else through `aside`, coloured by `style(text, name)`.

    A call and its result stand on one line of `columns` characters, where they fit. Without `answer` the model's text
    is left out: only what happens around it is shown.
    """

    def __init__(self, answer: Write | None, aside: Write, style: Style, *, columns: int = 160) -> None:
        self._answer = answer
        self._aside = aside
        self._style = style
        self._columns = columns
        self._open: Write | None = None  # where a line was begun and not ended
        self._reasoning = False
        self._arguments: dict[tuple[str, str], dict[str, Any]] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case events.TextDelta() if not event.parent_run_id:
                self._text(event.text)  # what a sub-agent says is its caller's result, not the answer
            case events.ReasoningDelta():
                self._think(event.text)
            case events.ToolStarted():
                self._arguments[event.run_id, event.call_id] = event.arguments
            case events.ToolFinished():
                self._tool(event)
            case events.Retried():
                self.line(f"retrying in {event.delay_s:.1f} s: {event.cause}", "dim")
            case events.Fallback():
                self.line(f"asking {event.model} instead: {event.cause}", "dim")
            case events.Compacted():
                self.line(f"the conversation was too long: {event.dropped_messages} messages were left out", "dim")
            case events.RunFinished() if not event.parent_run_id:
                self._finished(event)

    def line(self, text: str, style: str = "") -> None:
        """One line of its own."""
        self.end_line()
        shown = one_line(text, _LINE_CHARS)
        self._aside((self._style(shown, style) if style else shown) + "\n")

    def end_line(self) -> None:
        if self._open is not None:
            self._open("\n")
        self._open = None
        self._reasoning = False

    def _text(self, text: str) -> None:
        if self._answer is None or not text:
            return
        if self._reasoning:
            self.end_line()
        self._answer(visible(text))
        self._open = None if text.endswith("\n") else self._answer

    def _think(self, text: str) -> None:
        if not self._reasoning:
            self.end_line()
        self._reasoning = True
        self._aside(self._style(visible(text), "dim"))
        self._open = self._aside

    def _tool(self, event: events.ToolFinished) -> None:
        arguments = self._arguments.pop((event.run_id, event.call_id), None)
        shown = _call(event.name, arguments) if arguments is not None else one_line(event.name, _CALL_CHARS)
        took = f" ({_duration(event.duration_s)})" if event.duration_s else ""  # none: it was not run
        indent = "  " if event.parent_run_id else ""
        mark = self._style("✗", "error") if event.is_error else self._style("•", "tool")
        told = _failure(event.result) if event.is_error else event.result
        room = max(_RESULT_CHARS, self._columns - len(indent) - len(shown) - len(took) - 6)
        result = self._style(one_line(told, room), "error" if event.is_error else "dim")
        self.end_line()
        self._aside(f"{indent}{mark} {self._style(shown, 'tool')}{took} → {result}\n")

    def _finished(self, event: events.RunFinished) -> None:
        if event.reason == "final_tool":
            self.end_line()
            self._text(event.text)
        self.end_line()
        if event.error is None:
            return
        self.line(f"{event.reason}: {event.error.get('message', '')}", "error")
        if help := event.error.get("help"):
            self.line(f"help: {help}", "dim")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _failure(result: str) -> str:
    """`{"error": {"type", "message"}}` as a person reads it; a longer result may have been cut and is no JSON."""
    try:
        error = json.loads(result)["error"]
        return f"{error['type']}: {error['message']}"
    except (ValueError, LookupError, TypeError):
        return result


def _call(name: str, arguments: dict[str, Any]) -> str:
    listed = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items())
    return one_line(f"{name}({listed})", _CALL_CHARS)
