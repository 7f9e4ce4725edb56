"""A prompt for terminals without cursor control (`TERM=dumb`): lines as the terminal itself lets them be edited."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from types import TracebackType
from typing import Self, TextIO

from agentrun.cli.prompt.history import History
from agentrun.cli.prompt.keyboard import Keyboard
from agentrun.cli.prompt.reader import Interrupted, Twice
from agentrun.cli.turns import hung_up, interruptible
from agentrun.visible import visible

_CHUNK_BYTES = 65_536
_ENDED = object()


def lacks_cursor_control(terminal: str) -> bool:
    """As the system's description of this terminal has it; one that is not described is taken for a usual one."""
    if terminal in ("", "dumb", "unknown"):
        return True
    try:
        import curses

        curses.setupterm(terminal, sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return curses.tigetstr("cuu1") is None and curses.tigetstr("cuu") is None
    except (ImportError, OSError, ValueError):
        return False
    except Exception as error:
        if type(error).__name__ != "error":  # `curses.error`, which can't be named where curses is missing
            raise
        return False


class PlainReader:
    """Nothing is drawn: no status, no completion. What was typed is remembered for other terminals."""

    def __init__(self, keyboard: Keyboard, history: History, file: int, output: TextIO) -> None:
        self._keyboard = keyboard
        self._history = history
        self._file = file
        self._output = output
        self._twice = Twice()

    def __enter__(self) -> Self:
        self._keyboard.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keyboard.__exit__(kind, error, trace)

    async def message(self, speaker: str = "", draft: str = "") -> str | None:
        """A draft can't be edited here: an empty line sends it as it stands, and another one takes its place."""
        draft = "\n".join(text for text in (draft, self._keyboard.taken()) if text)
        if draft:
            self._write(f"{visible(draft)}\n(Enter sends this; type something else to send that)\n")
        while True:
            line = await interruptible(self._line(f"{speaker}> "))
            if line is _ENDED:
                if not self._keyboard.is_there():
                    raise hung_up()
                return None
            if isinstance(line, str):
                text = line if line.strip() else draft
                if text.strip():
                    self._history.add(text)
                return text
            if self._twice.again():
                raise Interrupted
            draft = ""
            self._write("\nCtrl-C again or Ctrl-D leaves\n")

    async def answer(self, prompt: str) -> str | None:
        line = await self._line(prompt)
        return line if isinstance(line, str) else None

    async def fresh_answer(self, prompt: str) -> str | None:
        self._keyboard.collect()
        return await self.answer(prompt)

    async def _line(self, prompt: str) -> str | object:
        """A line, or `_ENDED`."""
        loop = asyncio.get_running_loop()
        read = bytearray()
        done: asyncio.Future[bool] = loop.create_future()

        def take() -> None:
            try:
                read.extend(piece := os.read(self._file, _CHUNK_BYTES))
            except OSError:  # the terminal has gone
                read.clear()
                piece = b""
            # Ctrl-D behind a part of a line gives that part: only on an empty one it ends the input.
            if not done.done() and (piece.endswith(b"\n") or not read):
                done.set_result(bool(read))

        with self._keyboard.line_by_line():
            loop.add_reader(self._file, take)
            self._write(prompt)
            try:
                is_line = await done
            finally:
                loop.remove_reader(self._file)
        return read.decode("utf-8", "replace").rstrip("\r\n") if is_line else _ENDED

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal has gone, which the end of the input tells
            self._output.write(text)
            self._output.flush()
