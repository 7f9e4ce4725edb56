"""Threads for functions that may take any time, or never return: nobody waits for those, not even the program's end.

Such a function keeps its thread; each other thread is used again. Knows nothing of what runs in them.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

MAX_IDLE = 16  # as many as the calls of one turn; more end when their work is done


async def in_thread(work: Callable[[], Any]) -> Any:
    """What `work` returns or raises. It begins at once: an idle thread takes it, or a new one."""
    done: concurrent.futures.Future[Any] = concurrent.futures.Future()
    done.set_running_or_notify_cancel()  # from here on it can't be cancelled, only left alone
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is awaited
            done.set_exception(error)

    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
        worker.start()
    worker.jobs.put(run)
    return await asyncio.wrap_future(done)


class _Worker(threading.Thread):
    """A daemon thread that does one job after the other, given to it while it is idle."""

    def __init__(self) -> None:
        super().__init__(name="agentrun-python-tool", daemon=True)
        self.jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run(self) -> None:
        while True:
            self.jobs.get()()
            if len(_idle) >= MAX_IDLE:
                return
            _idle.append(self)


_idle: list[_Worker] = []
os.register_at_fork(after_in_child=_idle.clear)  # threads stay with the parent
