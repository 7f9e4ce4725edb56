"""The connections of tools, used again: those of httpcore2 without its pool, which looks at all of them in each step.

Bound to one event loop, for one scheme. Whom they may reach, their network backend decides.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpcore2

MAX_CONNECTIONS = 100
KEEP_ALIVE_S = 5.0  # shorter than servers' own, so that a reused connection is rarely one just closed


class Connections:
    """At most `most` are open. Who waits for one is served in order; an idle one to elsewhere is closed for it."""

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        backend: Any,
        *,
        most: int = MAX_CONNECTIONS,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._tls = tls
        self._backend = backend
        self._most = most
        self._keep_alive_s = keep_alive_s
        self._places = asyncio.Semaphore(most)  # one for each that is in use
        self._open: set[httpcore2.AsyncHTTPConnection] = set()
        self._idle: dict[httpcore2.AsyncHTTPConnection, float] = {}  # since when; the last is the youngest
        self._closed = False

    def __len__(self) -> int:
        """How many are open, or being opened."""
        return len(self._open)

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """The head of the answer; closing it gives the connection back. Raises httpcore2's exceptions."""
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._places.acquire()
        except TimeoutError:
            raise httpcore2.PoolTimeout from None
        connection = None
        try:
            connection = await self._take(request.url.origin)
            answer = await connection.handle_async_request(request)
        except BaseException:  # it is closed then
            self._open.discard(connection)
            self._places.release()
            raise
        body = _Body(answer, connection, self)
        return httpcore2.Response(answer.status, headers=answer.headers, content=body, extensions=answer.extensions)

    async def give_back(self, connection: httpcore2.AsyncHTTPConnection) -> None:
        """An answer was read, or given up."""
        try:
            if not connection.is_idle():  # it is closed then
                self._open.discard(connection)
            elif self._closed or _said_more(connection):
                await self._close(connection)
            else:
                self._idle[connection] = time.monotonic()
        finally:
            self._places.release()

    async def aclose(self) -> None:
        """Requests on their way end with it, or leave no connection behind."""
        self._closed = True
        connections, self._open = self._open, set()
        self._idle.clear()
        for connection in connections:
            await connection.aclose()

    async def _take(self, origin: httpcore2.Origin) -> httpcore2.AsyncHTTPConnection:
        """The one used last that still can be used, or a new one."""
        if self._closed:
            raise httpcore2.ConnectError("the connections were closed")
        now = time.monotonic()
        while self._idle and now - next(iter(self._idle.values())) > self._keep_alive_s:
            await self._close(next(iter(self._idle)))
        while known := next((one for one in reversed(self._idle) if one.can_handle_request(origin)), None):
            if not known.has_expired():  # by now the server may have closed it
                del self._idle[known]
                return known
            await self._close(known)
        while len(self._open) >= self._most:
            await self._close(next(iter(self._idle)))
        new = httpcore2.AsyncHTTPConnection(origin, self._tls, network_backend=self._backend)
        self._open.add(new)
        return new

    async def _close(self, idle: httpcore2.AsyncHTTPConnection) -> None:
        self._idle.pop(idle, None)
        self._open.discard(idle)
        with anyio.CancelScope(shield=True):
            await idle.aclose()


def _said_more(connection: httpcore2.AsyncHTTPConnection) -> bool:
    """Behind its answer came what nobody asked for. httpcore2 would take it for the answer to the next request, and
    doesn't tell: where it can't be looked up, it counts as said.
    """
    state = getattr(getattr(connection, "_connection", None), "_h11_state", None)
    return state is None or bool(state.trailing_data[0])


class _Body:
    """The body of an answer as it comes in."""

    def __init__(
        self, answer: httpcore2.Response, connection: httpcore2.AsyncHTTPConnection, connections: Connections
    ) -> None:
        self._answer = answer
        self._connection = connection
        self._connections: Connections | None = connections

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._answer.aiter_stream()

    async def aclose(self) -> None:
        connections, self._connections = self._connections, None
        if connections is not None:
            try:
                with anyio.CancelScope(shield=True):
                    await self._answer.aclose()
            finally:
                await connections.give_back(self._connection)
