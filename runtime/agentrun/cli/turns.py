"""Running a coroutine so that Ctrl-C ends it and not the program.

The first SIGINT cancels, the second within two seconds leaves at once; SIGTERM cancels and then ends the program, and
a second one leaves at once. Both are heard while something keeps the event loop busy: an async function of a tool, say.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TWICE_WITHIN_S = 2.0
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(Exception):
    """SIGTERM came; what was running has been ended."""


async def interruptible(work: Coroutine[Any, Any, T]) -> T | None:
    """The result, or None where Ctrl-C ended it. Raises `Terminated` after SIGTERM."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    last_interrupt = -TWICE_WITHIN_S
    terminated = False

    def interrupt(*_: object) -> None:
        nonlocal last_interrupt
        now = time.monotonic()
        if now - last_interrupt < TWICE_WITHIN_S:
            os._exit(EXIT_INTERRUPTED)  # the first one did not help
        last_interrupt = now
        loop.call_soon_threadsafe(task.cancel)

    def terminate(*_: object) -> None:
        nonlocal terminated
        if terminated:
            os._exit(EXIT_TERMINATED)
        terminated = True
        loop.call_soon_threadsafe(task.cancel)

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, interrupt),
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
    }
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        if last_interrupt < 0:
            raise
        return None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
