"""The bytes of one connection of a tool, as httpcore2 wants them: to an address, in TLS where it asks for it.

Unlike httpcore2's own, it knows all that has come and was not read yet, and a handshake that is given up leaves no
socket. Knows no HTTP, and not whom it may reach.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import Any, Self, cast

import httpcore2

from agentrun.arriving import Arriving


class Stream(Arriving, httpcore2.AsyncNetworkStream):
    def __init__(self) -> None:
        super().__init__()
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
                data = await self.arrived()
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(str(error)) from error
        if not data and self.failure is not None:
            raise httpcore2.ReadError(str(self.failure)) from self.failure
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self.transport.write(buffer)
        try:
            async with asyncio.timeout(timeout):
                await self._can_write.wait()
        except TimeoutError as error:
            raise httpcore2.WriteTimeout(str(error)) from error
        if self.failure is not None:
            raise httpcore2.WriteError(str(self.failure)) from self.failure

    async def aclose(self) -> None:
        """At once: what is not sent yet is not sent, and TLS says no farewell."""
        self.lose(ConnectionAbortedError(errno.ECONNABORTED, "closed on this side"))
        self.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Self:
        plain = self.transport
        try:
            if self.unread:
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
        self.transport = cast(asyncio.Transport, over_tls)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self.is_stale() if info == "is_readable" else self.transport.get_extra_info(info)

    # -- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._can_write.set()

    def lose(self, reason: Exception | None) -> None:
        super().lose(reason)
        self._can_write.set()

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()
