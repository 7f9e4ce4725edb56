"""A conversation as a person follows it: the answer as it streams, each tool call on a row of its own.

Appends only; what was printed is never redrawn. All that comes from models and tools passes the escaping sink.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.observers.answer import Answer, Style, Write
from agentrun.observers.call_row import call_row, progress_text
from agentrun.observers.prose.flow import Flow
from agentrun.observers.prose.joiners import Pieces
from agentrun.visible import one_line

_LINE_CHARS = 400
_PROGRESS_EVERY_S = 5.0  # of a call that takes long
_HANDOFF = "transfer_to_"  # begins the name of a call that hands over, which is told by an event of its own
_THOUGHT = ("┊ ", "")  # stands before each row of what the model thinks


class Console:
    """Prints events: the answer through `answer`, all else through `aside`, coloured by `style(text, name)`.

    A call and its result stand on one row of at most `columns()` cells. Lines are broken at words where they are for a
    terminal (`is_terminal`); in a log each is one. Without `answer` the model's text is left out: only what happens
    around it is shown.
    """

    def __init__(
        self, answer: Answer | None, aside: Write, style: Style, *, columns: Callable[[], int], is_terminal: bool
    ) -> None:
        self._answer = answer
        self._aside = aside
        self._style = style
        self._columns = columns
        self._is_terminal = is_terminal
        self._thoughts: Flow | None = None  # that are shown now
        self._thought_line = False
        self._pieces = Pieces()  # of the thoughts
        self._said = False  # whether the model said something in its turn
        self._blank = ""  # what an answer begins with, and is shown with the first of its words
        self._last = ""  # shown in this run: a `text` or a `row`
        self._speaker = ""  # who took over and has not spoken yet
        self._agents: dict[str, tuple[str, int]] = {}  # of runs behind calls: whose they are, and how deep
        self._arguments: dict[tuple[str, str], dict[str, Any]] = {}
        self._told_at: dict[tuple[str, str], float] = {}  # of calls that go on: when something was last told of them

    def __call__(self, event: Event) -> None:
        match event:
            case events.TextDelta() if not event.parent_run_id:
                self._text(event.text)  # what a sub-agent says is its caller's result, not the answer
            case events.ReasoningDelta() if not event.parent_run_id:
                self._think(event.text)
            case events.RunStarted() if not event.parent_run_id:
                self._last = ""
            case events.TurnStarted() if not event.parent_run_id:
                self._said = False
            case events.RunStarted(parent_run_id=str(parent)):
                depth = self._agents.get(parent, ("", 0))[1] + 1
                self._agents[event.run_id] = one_line(event.agent, 64), depth
            case events.ToolStarted():
                self._arguments[event.run_id, event.call_id] = event.arguments
                self._told_at[event.run_id, event.call_id] = event.time
            case events.ToolProgress():
                self._progress(event)
            case events.Elicited(action="cancel"):  # else a person has just given an answer
                self.line(f"{event.server} asked, and nobody answered: {event.message}", "dim")
            case events.ToolFinished() if event.is_error or not event.name.startswith(_HANDOFF):
                self._tool(event)
            case events.HandedOff():
                self._handed_off(event)
            case events.Retried():
                self._begins_again(event, f"retrying in {event.delay_s:.1f} s: {event.cause}")
            case events.Fallback():
                self._begins_again(event, f"asking {event.model} instead: {event.cause}")
            case events.Compacted(usage=msgspec.UNSET):  # else somebody asked for it, and is told what came of it
                self.line(f"the conversation was too long: {event.dropped_messages} messages were left out", "dim")
            case events.RunFinished() if not event.parent_run_id:
                self._finished(event)

    def line(self, text: str, style: str = "") -> None:
        """One line of its own. The spaces that it begins with stay."""
        self.end_line()
        indent = text[: len(text) - len(text.lstrip(" "))]
        self._aside(self.in_rows(indent + one_line(text, _LINE_CHARS), style))

    def in_rows(self, line: str, style: str = "") -> str:
        """A line that is safe to show, with its end: at a terminal in rows that are broken at words."""
        rows = rows_of(line, self._columns()) if self._is_terminal else [line]
        return "".join((self._style(row, style) if style else row) + "\n" for row in rows)

    def end_line(self) -> None:
        """Whatever is written next begins a line."""
        self._blank = ""
        if self._thoughts is not None:
            if rest := self._pieces.end():
                self._think_on(self._thoughts, rest)
            if self._thought_line:
                self._thoughts.end()
            self._show_thoughts(self._thoughts)
            self._thoughts, self._thought_line = None, False
        if self._answer is not None:
            self._answer.end()

    def _text(self, text: str) -> None:
        if self._answer is None or not text:
            return
        if self._is_terminal and self._last != "text":
            text = self._blank + text
            self._blank = "" if text.strip() else text
            if self._blank:
                return
        if self._thoughts is not None:
            self.end_line()
        self._set_off("text")
        if self._speaker:
            self._answer.speaker(self._speaker)
            self._speaker = ""
        self._said = self._said or bool(text.strip())
        self._answer.feed(text)

    def _begins_again(self, event: Event, told: str) -> None:
        """What the turn has shown so far is void."""
        if event.parent_run_id:
            agent, depth = self._agents.get(event.run_id, ("", 1))
            self.line(f"{'  ' * depth}{agent}: {told}" if agent else f"{'  ' * depth}{told}", "dim")
            return
        self.line(f"the text above is void; {told}" if self._said else told, "dim")
        self._said = False

    def _set_off(self, what: str) -> None:
        """At a terminal a blank line stands between the answer and what is told around it."""
        if self._is_terminal and self._answer is not None and self._last not in ("", what):
            self._aside("\n")
        self._last = what

    def _think(self, text: str) -> None:
        if self._thoughts is None:
            self.end_line()
            self._set_off("row")
            self._thoughts = Flow(self._columns, styled=False)
        *lines, last = self._pieces.feed(text).replace("\t", "    ").split("\n")
        for line in lines:
            self._think_on(self._thoughts, line)
            self._thoughts.end()
            self._thought_line = False
        if last:
            self._think_on(self._thoughts, last)
        self._show_thoughts(self._thoughts)

    def _think_on(self, thoughts: Flow, text: str) -> None:
        if not self._thought_line:
            thoughts.begin([_THOUGHT])
            self._thought_line = True
        thoughts.put(text)

    def _show_thoughts(self, thoughts: Flow) -> None:
        if shown := thoughts.take():
            self._aside("\n".join(self._style(row, "dim") if row else row for row in shown.split("\n")))

    def _tool(self, event: events.ToolFinished) -> None:
        arguments = self._arguments.pop((event.run_id, event.call_id), None)
        self._told_at.pop((event.run_id, event.call_id), None)
        parent = event.parent_run_id
        agent, depth = self._agents.get(event.run_id, ("", 1 if parent else 0))
        self.end_line()
        self._set_off("row")
        self._aside(call_row(event, arguments, self._columns(), self._style, agent=agent, depth=depth) + "\n")

    def _progress(self, event: events.ToolProgress) -> None:
        """Now and then a line, and none of a call that is soon over."""
        call = event.run_id, event.call_id
        if event.time - self._told_at.setdefault(call, event.time) < _PROGRESS_EVERY_S:
            return
        self._told_at[call] = event.time
        depth = self._agents.get(event.run_id, ("", 1 if event.parent_run_id else 0))[1]
        self.end_line()
        self._set_off("row")
        self.line(f"{'  ' * depth}{event.name}: {progress_text(event)}", "dim")

    def _handed_off(self, event: events.HandedOff) -> None:
        if not event.parent_run_id:
            self._speaker = one_line(event.agent, 64)
        depth = self._agents.get(event.run_id, ("", 1))[1] if event.parent_run_id else 0
        self.end_line()
        self._set_off("row")
        self._aside(f"{'  ' * depth}{self._style(one_line(f'→ {event.agent}', _LINE_CHARS), 'tool')}\n")

    def _finished(self, event: events.RunFinished) -> None:
        if event.reason == "final_tool" or not self._said:  # a refusal does not stream
            self.end_line()
            self._text(event.text)
        self.end_line()
        if event.reason == "answered" and not self._said and not event.text.strip():
            self.line("the answer is empty", "dim")
        self._speaker = ""
        self._agents.clear()
        if event.error is None:
            return
        self.line(f"{event.reason}: {event.error.get('message', '')}", "error")
        if help := event.error.get("help"):
            self.line(f"help: {help}", "dim")


def rows_of(line: str, columns: int) -> list[str]:
    """A line broken at words; what follows its first row is indented as its beginning is, and a little more."""
    line = line.replace("\t", "    ")
    text = line.lstrip(" ")
    indent = " " * (len(line) - len(text))
    flow = Flow(lambda: columns, styled=False)
    flow.begin([(indent, "")], [(indent + "  ", "")])
    flow.put(text)
    flow.end()
    return flow.take().removesuffix("\n").split("\n")
