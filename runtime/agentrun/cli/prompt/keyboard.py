"""The keyboard of a terminal while a conversation goes on: its modes, and what is typed while nobody reads.

Between two prompts nothing that is typed is shown, so that it can't stand in the middle of an answer. Ctrl-C and Ctrl-Z
are heard, and all else is kept: it stands at the next prompt, where it can be seen before it is sent. An Enter in it
sends nothing, because it was typed blind, perhaps to another question.

However the program ends, the modes are those that it found. Knows nothing of what a prompt looks like.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import select
import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from agentrun.cli.prompt.typed import text_of
from agentrun.cli.turns import on_sudden_end

_LFLAG, _IFLAG, _CC = 3, 0, 6
_CHUNK_BYTES = 65_536
# Nobody types so much blind, and a terminal that has run wild fills no memory.
_MAX_BYTES = 4 * 1024 * 1024

Modes = list[Any]


class Keyboard:
    """Use as a context, inside of an event loop. `resumed` is called after the program was stopped and goes on."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._typed = b""
        self._reading = False
        self._at_rest = True
        self._is_ours = True
        self._ours = ExitStack()
        self._loop: asyncio.AbstractEventLoop
        self._found: Modes = []
        self.resumed: Callable[[], None] = lambda: None

    def __enter__(self) -> Keyboard:
        self._loop = asyncio.get_running_loop()
        self._found = termios.tcgetattr(self._file)
        self._ours.enter_context(on_sudden_end(self._restore))
        self._ours.callback(self._restore)
        for number in (signal.SIGTSTP, signal.SIGQUIT):
            self._ours.callback(signal.signal, number, signal.signal(number, self._stop))
        self._ours.callback(signal.signal, signal.SIGCONT, signal.signal(signal.SIGCONT, self._go_on))
        self._rest()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_reading()
        self._ours.close()

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Somebody else reads what is typed, and sets the modes for that."""
        self._stop_reading()
        self._at_rest = False
        try:
            yield
        finally:
            self._rest()

    @contextlib.contextmanager
    def line_by_line(self) -> Iterator[None]:
        """Lent to somebody who reads lines: the terminal shows what is typed and lets it be edited."""
        modes = copy.deepcopy(self._found)
        modes[_LFLAG] |= termios.ICANON | termios.ECHO | termios.ISIG
        modes[_IFLAG] |= termios.ICRNL
        with self.lent():
            self._set(modes)
            yield

    @contextlib.contextmanager
    def given_away(self) -> Iterator[None]:
        """Another program has the terminal: an editor, which sets the modes again by itself after it was stopped."""
        self._is_ours = False
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            self._is_ours = True

    def taken(self) -> str:
        """What was typed meanwhile, which is forgotten here."""
        self.collect()
        typed, self._typed = self._typed, b""
        return text_of(typed.decode("utf-8", "replace"))

    def is_there(self) -> bool:
        """Whether the terminal can still be read; its end looks like Ctrl-D."""
        try:
            termios.tcgetattr(self._file)
        except termios.error:
            return False
        return True

    def collect(self) -> None:
        """Keeps what was typed until now, so that it answers no question that is asked from now on."""
        with contextlib.suppress(OSError):  # the terminal has gone
            while select.select([self._file], [], [], 0)[0] and self._read():
                pass

    # -- inside

    def _rest(self) -> None:
        modes = copy.deepcopy(self._found)
        # NOFLSH: Ctrl-C takes away neither what was typed nor what is still to be shown.
        modes[_LFLAG] = (
            modes[_LFLAG] & ~(termios.ECHO | termios.ICANON | termios.IEXTEN) | termios.ISIG | termios.NOFLSH
        )
        modes[_IFLAG] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR)
        modes[_CC][termios.VMIN], modes[_CC][termios.VTIME] = 1, 0
        self._set(modes)
        self._at_rest = True
        with contextlib.suppress(OSError):  # the terminal has gone, and nothing can be typed
            self._loop.add_reader(self._file, self._read)
            self._reading = True

    def _set(self, modes: Modes) -> None:
        with contextlib.suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(self._file, termios.TCSANOW, modes)

    def _restore(self) -> None:
        if self._has_terminal():
            self._set(self._found)

    def _has_terminal(self) -> bool:
        """Not in the background: there the terminal is another program's, and touching it would stop this one."""
        try:
            return os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError:  # it is no terminal that jobs share
            return True

    def _read(self) -> bool:
        try:
            piece = os.read(self._file, _CHUNK_BYTES)
        except OSError:
            piece = b""
        if not piece:
            self._stop_reading()  # the terminal has gone, which a signal tells
        self._typed = (self._typed + piece)[-_MAX_BYTES:]
        return bool(piece)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._file)

    # -- signals

    def _stop(self, number: int, _: object) -> None:
        """Ctrl-Z stops and Ctrl-\\ ends the program, as ever, but the terminal is as it was found."""
        now: Modes | None = None
        if self._is_ours:
            with contextlib.suppress(termios.error):
                now = termios.tcgetattr(self._file)
            self._restore()
        handler = signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        # Stopped here, until `fg` or `bg`.
        signal.signal(number, handler)
        if now is not None and self._has_terminal():
            self._set(now)

    def _go_on(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._take_again)

    def _take_again(self) -> None:
        """Something else may have set the modes while the program was stopped."""
        if not self._is_ours or not self._has_terminal():
            return
        if not self._at_rest:
            self.resumed()
        elif self._reading:
            self._stop_reading()
            self._rest()
