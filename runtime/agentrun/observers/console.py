"""A conversation as a person follows it: the answer as it streams, each tool call on a line of its own.

Appends only; what was printed is never redrawn. All that comes from models and tools passes the escaping sink.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.markup.calls import call_line, duration, failure_text
from agentrun.visible import one_line, visible

Write = Callable[[str], None]
Style = Callable[[str, str], str]
_RESULT_CHARS = 40  # at least, however narrow the terminal
_LINE_CHARS = 400
_HANDOFF = "transfer_to_"  # begins the name of a call that hands over, which is told by an event of its own


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
            case events.ToolFinished() if event.is_error or not event.name.startswith(_HANDOFF):
                self._tool(event)
            case events.HandedOff():
                self._handed_off(event)
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
        shown = call_line(event.name, arguments)
        took = f" ({duration(event.duration_s)})" if event.duration_s else ""  # none: it was not run
        indent = "  " if event.parent_run_id else ""
        mark = self._style("✗", "error") if event.is_error else self._style("•", "tool")
        told = failure_text(event.result) if event.is_error else event.result
        room = max(_RESULT_CHARS, self._columns - len(indent) - len(shown) - len(took) - 6)
        result = self._style(one_line(told, room), "error" if event.is_error else "dim")
        self.end_line()
        self._aside(f"{indent}{mark} {self._style(shown, 'tool')}{took} → {result}\n")

    def _handed_off(self, event: events.HandedOff) -> None:
        self.end_line()
        indent = "  " if event.parent_run_id else ""
        self._aside(f"{indent}{self._style(one_line(f'→ {event.agent}', _LINE_CHARS), 'tool')}\n")

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
