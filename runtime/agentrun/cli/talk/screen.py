"""Where a conversation is shown: the answer on stdout; at a terminal all else in the same column, else on stderr.

Nothing is shown while a question waits for its answer: what other calls tell meanwhile is held back.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from agentrun.cli.colors import Painter
from agentrun.cli.columns import line_width
from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.engine.exchange import Exchange
from agentrun.observers.console import Console
from agentrun.observers.exchange import ExchangeConsole
from agentrun.visible import one_line, visible

_LINE_CHARS = 400


class Screen:
    def __init__(self, *, interactive: bool, verbose: bool) -> None:
        self.interactive = interactive
        self.verbose = verbose
        aside = sys.stdout if interactive else sys.stderr
        self._aside = _writer(aside)
        self.paint = Painter(aside)
        self.console = Console(_writer(sys.stdout), self._aside, self.paint, columns=line_width(aside))
        self._exchanges = ExchangeConsole(self._beside, Painter(sys.stderr))
        self._asking = False
        self._held: list[Callable[[], None]] = []

    def event(self, event: Event) -> None:
        self._show(partial(self._tell, event))

    def exchange(self, exchange: Exchange) -> None:
        if self.verbose:
            self._show(partial(self._exchanges, exchange))

    def say(self, text: str, style: str = "") -> None:
        """A line in a style; without one, a text as it stands."""
        shown = one_line(text, _LINE_CHARS) if style != "" else visible(text)
        self.below((self.paint(shown, style) if style else shown) + "\n")

    def below(self, text: str) -> None:
        """Text that is safe to show. Never on the line where the model's text stands."""
        self.console.end_line()
        self._aside(text)

    async def asking(self, answer: Awaitable[str | None]) -> str | None:
        """Waits for the answer to a question, which must stand alone."""
        self._asking = True
        try:
            return await answer
        finally:
            self._asking = False
            held, self._held = self._held, []
            for show in held:
                show()

    def _show(self, show: Callable[[], None]) -> None:
        if self._asking:
            self._held.append(show)
        else:
            show()

    def _tell(self, event: Event) -> None:
        if isinstance(event, events.RunFinished) and event.reason == "cancelled":
            return  # the person knows
        if self.verbose:
            self._exchanges.event(event)
        self.console(event)

    def _beside(self, text: str) -> None:
        """To stderr, also where all else goes to the terminal's stdout."""
        self.console.end_line()
        sys.stderr.write(text)
        sys.stderr.flush()


def _writer(stream: Any) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write
