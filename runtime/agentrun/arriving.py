"""The bytes that arrive over one connection, kept until they are taken: bounded, and told apart from its end.

For connections that are used again. Knows nothing of what the bytes say, and sends nothing.
"""

from __future__ import annotations

import asyncio
import select
from typing import cast

MAX_UNREAD_BYTES = 256 * 1024  # then nothing more is read before these are taken


class Arriving(asyncio.Protocol):
    """One reader at a time. `failure` is set where the connection was lost otherwise than by its end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.unread = bytearray()
        self.ended = False  # nothing more will arrive
        self.failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def arrived(self) -> bytes:
        """All that is there, as soon as something is; nothing at the end."""
        while not self.unread and not self.ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if not self.unread:
            return b""
        data = bytes(self.unread)
        self.unread.clear()
        self.transport.resume_reading()
        return data

    def is_stale(self) -> bool:
        """Asked between two requests: the server has closed or spoken, even if asyncio has not heard of it yet, or has
        not read all of the last one (asyncio does not say what TLS has still to send).
        """
        if self.unread or self.ended or self.transport.is_closing():
            return True
        descriptor = self.transport.get_extra_info("socket").fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | select.POLLOUT)
        return poll.poll(0) != [(descriptor, select.POLLOUT)]

    def lose(self, reason: Exception | None) -> None:
        self.ended = True
        self.failure = self.failure or reason
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if len(self.unread) >= MAX_UNREAD_BYTES:
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self.ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(exc)
