"""One attempt, told to whoever watches the exchange with the service: what goes out, what comes back, how long it took.

Around `transport.read_turn`, for every API. As a rule nobody watches, and then it costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from agentrun.engine.exchange import Failed, OnExchange, Received, Sent
from agentrun.engine.ports import Progress, Tell
from agentrun.errors import ModelError
from agentrun.models.transport import Deadlines, Turn, read_turn

if TYPE_CHECKING:
    import httpx2


async def read_watched(
    on_exchange: OnExchange | None,
    sent: Sent,
    post: Callable[[], Awaitable[httpx2.Response]],
    turn: Turn,
    tell: Tell,
    deadlines: Deadlines,
    *,
    whole_key: str,
) -> None:
    """`read_turn`, told to `on_exchange` where there is one."""
    if on_exchange is None:
        await read_turn(post, turn, tell, deadlines, whole_key=whole_key)
        return
    timed = _Timed(turn)
    status: int | None = None

    async def noted() -> httpx2.Response:
        nonlocal status
        response = await post()
        status = response.status_code
        return response

    on_exchange(sent)
    started = time.monotonic()
    try:
        await read_turn(noted, timed, tell, deadlines, whole_key=whole_key)
    except ModelError as failure:
        on_exchange(Failed(status or failure.status, time.monotonic() - started, failure.message))
        raise
    ended = time.monotonic()
    first_event_at = ended if timed.first_event_at is None else timed.first_event_at
    on_exchange(Received(status, first_event_at - started, ended - started))


class _Timed:
    """A turn that remembers when its first event came."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.first_event_at: float | None = None

    @property
    def finished(self) -> bool:
        return self._turn.finished

    def add(self, chunk: dict[str, Any]) -> list[Progress]:
        if self.first_event_at is None:
            self.first_event_at = time.monotonic()
        return self._turn.add(chunk)

    def done(self) -> None:
        self._turn.done()
