"""The bytes of one connection of a tool, as httpcore2 wants them: to an address, in TLS where it asks for it.

Unlike httpcore2's own, it knows all that has come and was not read yet, and a handshake that is given up leaves no
socket. Knows no HTTP, and not whom it may reach.
"""

from __future__ import annotations

import asyncio
import errno
import select
import ssl
from typing import Any, Self, cast

import httpcore2

MAX_UNREAD_BYTES = 256 * 1024  # then nothing more is read before these are taken


class Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._unread = bytearray()
        self._ended = False  # the server sends no more
        self._lost: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None  # who reads
        self._can_write = asyncio.Event()

    @classmethod
    async def to(cls, address: str, port: int, timeout_s: float) -> Self:
        """Raises `httpcore2.ConnectError` or `httpcore2.ConnectTimeout`."""
        try:
            async with asyncio.timeout(timeout_s):
                _, stream = await asyncio.get_running_loop().create_connection(cls, address, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        return stream

    # -- what httpcore2 asks

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as in httpcore2
        """All that has come, also more than was asked for: what stays behind could be taken for the next answer."""
        try:
            async with asyncio.timeout(timeout):
                while not self._unread and not self._ended:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(str(error)) from error
        if not self._unread and self._lost is not None:
            raise httpcore2.ReadError(str(self._lost)) from self._lost
        data = bytes(self._unread)
        self._unread.clear()
        self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._transport.write(buffer)
        try:
            async with asyncio.timeout(timeout):
                await self._can_write.wait()
        except TimeoutError as error:
            raise httpcore2.WriteTimeout(str(error)) from error
        if self._lost is not None:
            raise httpcore2.WriteError(str(self._lost)) from self._lost

    async def aclose(self) -> None:
        """At once: what is not sent yet is not sent, and TLS says no farewell."""
        self._lose(ConnectionAbortedError(errno.ECONNABORTED, "closed on this side"))
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Self:
        plain = self._transport
        try:
            if self._unread:
                raise ssl.SSLError("the server spoke before the handshake")
            async with asyncio.timeout(timeout):
                over_tls = await asyncio.get_running_loop().start_tls(
                    plain, self, ssl_context, server_hostname=server_hostname
                )
        except BaseException as error:
            plain.abort()
            if isinstance(error, TimeoutError):
                raise httpcore2.ConnectTimeout(str(error)) from error
            if isinstance(error, OSError):
                raise httpcore2.ConnectError(str(error)) from error
            raise
        self._transport = cast(asyncio.Transport, over_tls)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._is_stale() if info == "is_readable" else self._transport.get_extra_info(info)

    def _is_stale(self) -> bool:
        """Asked between two requests: the server has closed, has said something, or has not read all."""
        if self._unread or self._ended or self._transport.is_closing():
            return True
        descriptor = self._transport.get_extra_info("socket").fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | select.POLLOUT)
        return poll.poll(0) != [(descriptor, select.POLLOUT)]

    # -- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._can_write.set()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) >= MAX_UNREAD_BYTES:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(exc)

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def _lose(self, reason: Exception | None) -> None:
        self._ended = True
        self._lost = self._lost or reason
        self._can_write.set()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
