"""Running a coroutine so that Ctrl-C ends it and not the program.

The first SIGINT cancels, the second within two seconds leaves at once; SIGTERM cancels and then ends the program.
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

    def interrupt() -> None:
        nonlocal last_interrupt
        now = time.monotonic()
        if now - last_interrupt < TWICE_WITHIN_S:
            os._exit(EXIT_INTERRUPTED)  # the first one did not help
        last_interrupt = now
        task.cancel()

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        if last_interrupt < 0:
            raise
        return None
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
