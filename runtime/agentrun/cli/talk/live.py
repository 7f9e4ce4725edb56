"""The line that moves while a turn is under way and nothing else stands on the line: what goes on, and for how long.

It is the only thing that is ever erased, and it is erased before anything else is written. Knows nothing of where
else is written to: who writes calls `erase`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.markup.calls import call_line
from agentrun.observers.call_row import progress_text
from agentrun.observers.prose.cells import cells, cut

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_EVERY_S = 0.12
_ERASE = "\r\x1b[J"
_MOST_CELLS = 72
_STARTED_WITHIN_S = 1.0  # servers that take longer to start are told of


class Live:
    """An observer of a turn's events. `write` shows at once; `columns` tells how wide the window is now.

    `may_draw` says whether the cursor stands at the beginning of a line that nobody else uses.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        columns: Callable[[], int],
        style: Callable[[str, str], str],
        may_draw: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._columns = columns
        self._style = style
        self._may_draw = may_draw
        self._clock = clock
        self._drawn = False
        self._frame = 0
        self._waits = "thinking"  # where no call runs
        self._since = 0.0
        self._starting = ""  # what the run waits for before it begins
        self._running: dict[tuple[str, str], tuple[events.ToolStarted, float]] = {}
        self._progress: dict[tuple[str, str], events.ToolProgress] = {}  # the last of each call

    def __call__(self, event: Event) -> None:
        match event:
            case events.RunStarted() if not event.parent_run_id:
                self._starting = ""
                self._wait("thinking", anew=True)
            case events.ToolStarted():
                self._running[event.run_id, event.call_id] = event, self._clock()
            case events.ToolProgress():
                self._progress[event.run_id, event.call_id] = event
            case events.ToolFinished():
                self._running.pop((event.run_id, event.call_id), None)
                self._progress.pop((event.run_id, event.call_id), None)
                self._wait("thinking", anew=True)
            case events.Retried():
                self._wait("waiting to ask again")
            case events.TextDelta() if not event.parent_run_id:
                self._wait("writing")
            case events.TurnStarted() | events.ReasoningDelta() | events.ToolCallDelta():
                self._wait("thinking")

    def begin(self, starting: str) -> None:
        """A turn begins. `starting` is what it waits for before its run does."""
        self._starting = starting
        self._running.clear()
        self._progress.clear()
        self._wait("thinking", anew=True)

    async def draw(self) -> None:
        """Draws until it is cancelled; then no trace is left."""
        try:
            while True:
                self._step()
                await asyncio.sleep(_EVERY_S)
        finally:
            self.erase()

    def erase(self) -> None:
        if self._drawn:
            self._drawn = False
            self._write(_ERASE)

    def _wait(self, what: str, *, anew: bool = False) -> None:
        if anew or what != self._waits:
            self._waits, self._since = what, self._clock()

    def _doing(self, room: int) -> tuple[str, float]:
        """What goes on, and since when. Behind a call of an agent stand that agent's own calls, which tell more."""
        if not self._running:
            starting = self._starting and self._clock() - self._since > _STARTED_WITHIN_S
            return (self._starting if starting else self._waits), self._since
        own = [since for call, since in self._running.values() if not call.parent_run_id]
        if len(own) > 1:
            return f"{len(own)} tools", min(own)
        last, since = next(reversed(self._running.values()))
        progress = self._progress.get((last.run_id, last.call_id))
        told = "" if progress is None else cut(f" {progress_text(progress)}", max(room // 2, 1))
        return call_line(last.name, last.arguments, max(room - cells(told), 1)) + told, since

    def _step(self) -> None:
        if not self._may_draw():
            return
        room = min(self._columns() - 1, _MOST_CELLS)
        doing, since = self._doing(room - 8)
        took = f" {self._clock() - since:.0f} s"
        self._frame = (self._frame + 1) % len(_FRAMES)
        line = cut(f"{_FRAMES[self._frame]} {cut(doing, max(1, room - 2 - len(took)))}{took}", room)
        self._drawn = True
        # The cursor waits at its beginning: there it is also where a narrower window breaks the line in two.
        self._write(f"{_ERASE}{self._style(line, 'dim')}\r")
