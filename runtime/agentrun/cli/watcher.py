"""What `agentrun run` shows of its events: where `--output` says, and beside it on stderr. Starts and ends no run."""

from __future__ import annotations

import sys
from functools import partial

import msgspec

from agentrun.cli.colors import Painter
from agentrun.cli.columns import line_width
from agentrun.cli.tracing import Tracing
from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.observers.console import Console
from agentrun.observers.exchange import ExchangeConsole
from agentrun.observers.jsonl import JsonLines


class Watcher:
    """Sends events where `--output` says, and remembers whether a call was refused because nobody could answer."""

    def __init__(self, output: str, *, quiet: bool, verbose: bool, tracing: Tracing) -> None:
        self.unanswered = False
        self._tracing = tracing
        self.exchanges = ExchangeConsole(self._beside, Painter(sys.stderr)) if verbose else None
        self._output = output
        self._lines = JsonLines(sys.stdout.buffer)
        columns = partial(line_width, sys.stderr)
        paint = Painter(sys.stderr)
        self._console = Console(None, write_stderr, paint, columns=columns, is_terminal=sys.stderr.isatty())
        self._quiet = quiet

    def __call__(self, event: Event) -> None:
        self._tracing(event)  # first: who reads the output may leave
        if isinstance(event, events.ApprovalDecided) and event.by == "nobody":
            self.unanswered = True
        ended = isinstance(event, events.RunFinished) and event.parent_run_id is msgspec.UNSET
        if self._output == "jsonl" or (self._output == "json" and ended):
            self._lines(event)
        if self.exchanges is not None:
            self.exchanges.event(event)
        if not self._quiet or ended:
            self._console(event)

    def _beside(self, text: str) -> None:
        self._console.end_line()
        write_stderr(text)


def write_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
