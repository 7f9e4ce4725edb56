"""A run as an async iterator of events: a small adapter over the loop's plain `emit`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from agentrun.engine.events import Emit, Event


async def pull(start: Callable[[Emit], Awaitable[object]]) -> AsyncIterator[Event]:
    """Events as they happen. Leaving the loop early cancels the run and waits for its end."""
    queue: asyncio.Queue[Event | None] = asyncio.Queue()

    async def work() -> None:
        try:
            await start(queue.put_nowait)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(work())
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
