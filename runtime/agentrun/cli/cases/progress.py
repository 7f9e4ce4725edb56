"""How far a test run is: one line at a terminal, rewritten in its place. Nothing of it in a file or a pipe."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TextIO

from agentrun.markup.lines import cut
from agentrun.testing.plan import Case
from agentrun.testing.results import CaseResult
from agentrun.visible import one_line

_EVERY_S = 0.1
_NAME_CHARS = 60
_ERASE = "\r\x1b[2K"


class Progress:
    """`stream` is where the line is shown. `hide` takes it away before something else is printed."""

    def __init__(self, stream: TextIO, total: int, *, is_wanted: bool = True) -> None:
        self._stream = stream
        self._total = total
        self._is_on = is_wanted and stream.isatty() and os.environ.get("TERM") != "dumb"
        self._running: dict[int, str] = {}
        self._done = 0
        self._failed = 0
        self._is_shown = False
        self._timer: asyncio.TimerHandle | None = None

    def began(self, case: Case) -> None:
        self._running[id(case)] = case.name
        self._later()

    def ended(self, result: CaseResult) -> None:
        self._running.pop(id(result.case), None)
        self._done += 1
        self._failed += result.status == "failed"
        self._later()

    def hide(self) -> None:
        if self._is_shown:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._is_shown = False

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.hide()
        self._is_on = False

    def _later(self) -> None:
        """Not for each of a thousand cases, and yet the last change is seen."""
        if self._is_on and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._show)

    def _show(self) -> None:
        self._timer = None
        line = cut(self._line(), shutil.get_terminal_size().columns - 1)
        self._stream.write(f"{_ERASE}{line}")
        self._stream.flush()
        self._is_shown = True

    def _line(self) -> str:
        parts = [f"{self._done}/{self._total}"]
        if self._failed:
            parts.append(f"{self._failed} failed")
        if self._running:
            parts.append("running: " + ", ".join(one_line(name, _NAME_CHARS) for name in self._running.values()))
        return " | ".join(parts)
