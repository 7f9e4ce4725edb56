"""Where a conversation is shown: the answer on stdout; at a terminal all else in the same column, else on stderr.

At a terminal the answer is laid out as Markdown while it streams. Nothing is shown while a question waits for its
answer: what other calls tell meanwhile is held back.

`async with screen.turn()` stands around a turn: in it a line that moves tells what goes on while nothing else is
written. `unfold` gives a call's whole result.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TextIO

from agentrun.cli.colors import Painter
from agentrun.cli.columns import line_width
from agentrun.cli.talk.live import Live
from agentrun.cli.talk.seen import Result
from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.engine.exchange import Exchange
from agentrun.observers.answer import Answer, RawAnswer, TerminalAnswer
from agentrun.observers.console import Console
from agentrun.observers.exchange import ExchangeConsole
from agentrun.observers.unfolded import unfolded
from agentrun.visible import visible

_QUIET_S = 0.3  # between the lines of an answer nothing moves


class Screen:
    def __init__(self, *, interactive: bool, verbose: bool) -> None:
        self.interactive = interactive
        self.verbose = verbose
        one_column = interactive and sys.stdout.isatty()
        aside = sys.stdout if one_column else sys.stderr
        self.paint = Painter(aside)
        self._at_line_start = True
        self._written_at = 0.0
        self._asking = False
        self._held: list[Callable[[], None]] = []
        self._aside = self._writer(aside)
        self._answer: Answer = RawAnswer(self._writer(sys.stdout))
        if sys.stdout.isatty():
            paint = Painter(sys.stdout)
            width = partial(line_width, sys.stdout)
            self._answer = TerminalAnswer(self._writer(sys.stdout), width, paint, styled=paint.on)
        self.console = Console(
            self._answer, self._aside, self.paint, columns=partial(line_width, aside), is_terminal=aside.isatty()
        )
        self._exchanges = ExchangeConsole(self._beside, Painter(sys.stderr))
        self._live = Live(_write_to(aside), partial(line_width, aside), self.paint, self._may_draw)
        self._can_move = one_column and os.environ.get("TERM") != "dumb"

    @contextlib.asynccontextmanager
    async def turn(self, starting: str = "") -> AsyncIterator[None]:
        """A turn is under way: what goes on is told on a line of its own, as long as nothing else is written.

        `starting` is what it waits for before it begins. However it ends, the text that was held back is shown, and the
        cursor stands at the beginning of a line.
        """
        self._live.begin(starting)
        drawing = asyncio.ensure_future(self._live.draw()) if self._can_move else None
        try:
            yield
        finally:
            self._live.erase()
            if drawing is not None:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)
            self.console.end_line()

    def event(self, event: Event) -> None:
        self._show(partial(self._tell, event))

    def exchange(self, exchange: Exchange) -> None:
        if self.verbose:
            self._show(partial(self._exchanges, exchange))

    def say(self, text: str, style: str = "") -> None:
        """A line in a style; without one, a text as it stands."""
        if style:
            self.console.line(text, style)
        else:
            self.below(self.in_rows(visible(text)))

    def below(self, text: str) -> None:
        """Text that is safe to show. Never on the line where the model's text stands."""
        self.console.end_line()
        self._aside(text)

    def in_rows(self, text: str) -> str:
        """A text that is safe to show, with its end: at a terminal its lines are broken at words."""
        return "".join(map(self.console.in_rows, text.split("\n")))

    def answer(self, text: str) -> None:
        """An answer that was given before, as it was shown then."""
        self.console.end_line()
        self._answer.feed(text)
        self._answer.end()

    def unfold(self, result: Result) -> str:
        """The whole call and all that the model got of it, safe to show with `below`."""
        arguments = result.call.arguments if result.call is not None else None
        return unfolded(result.finished, arguments, self.paint)

    async def asking(self, answer: Awaitable[str | None]) -> str | None:
        """Waits for the answer to a question, which must stand alone."""
        self.console.end_line()
        self._live.erase()
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
        self._live(event)
        if isinstance(event, events.RunFinished) and event.reason == "cancelled":
            return  # the person knows
        if isinstance(event, events.ToolProgress) and self._can_move:
            return  # the line that moves shows it
        if self.verbose:
            self._exchanges.event(event)
        self.console(event)

    def _beside(self, text: str) -> None:
        """To stderr, also where all else goes to the terminal's stdout."""
        self.console.end_line()
        self._live.erase()
        _write_to(sys.stderr)(text)

    def _may_draw(self) -> bool:
        is_quiet = time.monotonic() - self._written_at > _QUIET_S
        return is_quiet and self._at_line_start and not self._asking

    def _writer(self, stream: TextIO) -> Callable[[str], None]:
        show = _write_to(stream)

        def write(text: str) -> None:
            self._live.erase()
            show(text)
            if text:
                self._at_line_start = text.endswith("\n")
                self._written_at = time.monotonic()

        return write


def _write_to(stream: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write
