"""Running a coroutine so that Ctrl-C ends it and not the program.

The first SIGINT cancels, the second within two seconds leaves at once; SIGTERM and SIGHUP cancel and then end the
program, and a second one leaves at once; after SIGHUP, some seconds do. All are heard while something keeps the event
loop busy: an async function of a tool, say. What must be put right however the program ends, such as the modes of a
terminal, is told to `on_sudden_end`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

TWICE_WITHIN_S = 2.0
GONE_WITHIN_S = 6.0
EXIT_INTERRUPTED = 130

_endings: list[Callable[[], None]] = []


class Terminated(Exception):
    """SIGTERM came, or the terminal has gone; what was running has been ended. `exit_code` is 128 + the signal's."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextlib.contextmanager
def on_sudden_end(put_right: Callable[[], None]) -> Iterator[None]:
    """Calls this also where the program leaves at once, without ending what is under way."""
    _endings.append(put_right)
    try:
        yield
    finally:
        _endings.remove(put_right)


async def interruptible(work: Coroutine[Any, Any, T]) -> T | None:
    """The result, or None where Ctrl-C ended it. Raises `Terminated` after SIGTERM and SIGHUP.

    One inside another one hears the signals in its place.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    last_interrupt = -TWICE_WITHIN_S
    terminated: int | None = None

    def interrupt(*_: object) -> None:
        nonlocal last_interrupt
        now = time.monotonic()
        if now - last_interrupt < TWICE_WITHIN_S:
            _leave(EXIT_INTERRUPTED)  # the first one did not help
        last_interrupt = now
        loop.call_soon_threadsafe(task.cancel)

    def terminate(number: int, _: object) -> None:
        nonlocal terminated
        if terminated is not None:
            if number != terminated:
                return  # a shell that ends sends both
            _leave(128 + number)
        terminated = number
        if number == signal.SIGHUP:
            hung_up()
            leaving = threading.Timer(GONE_WITHIN_S, _leave, (128 + number,))  # nobody is there to ask again
            leaving.daemon = True
            leaving.start()
        loop.call_soon_threadsafe(task.cancel)

    wanted: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
        signal.SIGINT: interrupt,
        signal.SIGTERM: terminate,
        signal.SIGHUP: terminate,
    }
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        del wanted[signal.SIGHUP]  # nohup
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        result = await task
    except asyncio.CancelledError:
        if terminated is not None:
            raise Terminated(terminated) from None
        if last_interrupt < 0:
            raise
        return None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if terminated is not None:  # it came when all was done
        raise Terminated(terminated)
    return result


def _leave(exit_code: int) -> NoReturn:
    for put_right in _endings:
        put_right()
    os._exit(exit_code)


def hung_up() -> Terminated:
    """The terminal has gone: what is written to it from here on goes nowhere, and is no error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        with contextlib.suppress(OSError):  # it was closed
            if stat.S_ISCHR(os.fstat(stream).st_mode):  # `isatty` says no by now
                os.dup2(nowhere, stream)
    os.close(nowhere)
    return Terminated(signal.SIGHUP)
