"""One HTTP/1.1 connection to a model service: a request goes out, its response comes in, then the next one.

Owns the bytes in memory: h11 says what they mean, asyncio carries them. Knows no pool and no deadlines: who has waited
for too long cancels and closes. Failures leave here as httpx2's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import h11
import httpx2

from agentrun.arriving import Arriving

MAX_HEAD_BYTES = 100 * 1024
PIECE_BYTES = 16 * 1024  # of a body, about: the first must not wait for the last


class Connection(Arriving):
    """New until asyncio has connected it, then open until it is lost. `on_lost` is told of the end of an open one."""

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        super().__init__()
        self.is_new = True
        self._on_lost = on_lost
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._lost: asyncio.Future[None]

    async def exchange(self, request: httpx2.Request) -> h11.Response:
        """Sends a request whose body is in memory, and returns the head of the response, which may come before
        all is sent.
        """
        with _in_httpx2s_words():
            await self._send(request)
            while True:
                event = self._http.next_event()
                if type(event) is h11.Response:
                    return event
                if event is h11.NEED_DATA:
                    data = await self._receive()
                    if not data:
                        raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
                    self._http.receive_data(data)

    async def _send(self, request: httpx2.Request) -> None:
        line = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        sent = [self._http.send(line)]
        async for piece in cast(httpx2.AsyncByteStream, request.stream):
            sent.append(self._http.send(h11.Data(data=piece)))
        sent.append(self._http.send(h11.EndOfMessage()))
        self.transport.writelines(sent)

    async def body(self) -> AsyncIterator[bytes]:
        """What comes after the head. What is there together is one piece, however the server cut it."""
        while True:
            pieces: list[bytes] = []
            size = 0
            failure: h11.RemoteProtocolError | None = None
            try:
                while type(event := self._http.next_event()) is h11.Data:
                    pieces.append(event.data)
                    size += len(event.data)
                    if size >= PIECE_BYTES:
                        break
            except h11.RemoteProtocolError as error:
                failure = error
            if pieces:
                yield b"".join(pieces)
            with _in_httpx2s_words():
                if failure is not None:
                    raise failure
                if event is h11.NEED_DATA:
                    self._http.receive_data(await self._receive())
                elif type(event) is not h11.Data:
                    return

    def begin_again(self) -> bool:
        """Makes ready for the next request. False: there can be none, because this one has not ended on both sides,
        the server will close, or it sent what nobody asked for.
        """
        is_done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not is_done or self.unread or self._http.trailing_data[0] or self.ended:
            return False
        if self.transport.get_write_buffer_size():  # it answered without reading
            return False
        self._http.start_next_cycle()
        return True

    def close(self) -> None:
        """At once: what is not sent yet is not sent, and TLS says no farewell."""
        if not self.is_new:
            self.transport.abort()

    async def aclose(self) -> None:
        """Returns when it is closed."""
        if not self.is_new:
            self.transport.abort()
            await asyncio.shield(self._lost)

    # -- reading

    async def _receive(self) -> bytes:
        """What has come; nothing at the end."""
        data = await self.arrived()
        if not data and self.failure is not None:
            raise httpx2.ReadError(str(self.failure)) from self.failure
        return data

    # -- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.is_new = False
        self._lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if self._http.our_state is h11.IDLE:  # nothing was asked
            self.transport.abort()
            return
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost.set_result(None)
        self._on_lost(self)


@contextlib.contextmanager
def _in_httpx2s_words() -> Iterator[Any]:
    try:
        yield
    except h11.LocalProtocolError as error:
        raise httpx2.LocalProtocolError(str(error)) from error
    except h11.RemoteProtocolError as error:
        raise httpx2.RemoteProtocolError(str(error)) from error
