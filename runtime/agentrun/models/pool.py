"""The connections to model services, as a transport of httpx2: each is used again and again, and none waits in vain.

Stock pools look at every connection and every waiting request for each one that ends; here each step takes the same
time, however many there are. HTTP/1.1, no proxies. The only deadline here is the one to connect.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

import httpx2

from agentrun.models.dial import Dialer
from agentrun.models.http1 import Connection

MAX_CONNECTIONS = 1000
KEEP_ALIVE_S = 30.0
_CLOSED = "the connections were closed"
_PORTS = {"http": 80, "https": 443}


def max_connections() -> int:
    """As many as are of use, and at most three of four files that the process may have open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files == resource.RLIM_INFINITY else max(1, min(MAX_CONNECTIONS, files * 3 // 4))


class Connections(httpx2.AsyncBaseTransport):
    """A pool for each origin, bound to the event loop that they are used in. `aclose` leaves no connection.

    `trust` makes what certificates are checked with, at the first https address: that takes as long as starting Python.
    """

    def __init__(
        self,
        *,
        trust: Callable[[], ssl.SSLContext] = httpx2.create_ssl_context,
        most: int | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._trust = trust
        self._most = max_connections() if most is None else most
        self._keep_alive_s = keep_alive_s
        self._tls: ssl.SSLContext | None = None
        self._pools: dict[tuple[str, str, int], Pool] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        pool = self._pool(request.url)
        connection = await pool.take(request.extensions.get("timeout", {}).get("connect"))
        try:
            head = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        return httpx2.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=_Body(connection, pool),
            extensions={"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason},
        )

    async def aclose(self) -> None:
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    def _pool(self, url: httpx2.URL) -> Pool:
        if url.scheme not in _PORTS:
            raise httpx2.UnsupportedProtocol(f"Request URL has an unsupported protocol '{url.scheme}://'.")
        port = _PORTS[url.scheme] if url.port is None else url.port
        origin = (url.scheme, url.raw_host.decode("ascii"), port)
        pool = self._pools.get(origin)
        if pool is None:
            tls = self._tls_context() if url.scheme == "https" else None
            pool = self._pools[origin] = Pool(*origin[1:], tls, self._most, self._keep_alive_s)
        return pool

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = self._trust()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


class Pool:
    """The connections to one origin: the one used last is used next, and who waits is served in order."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, most: int, keep_alive_s: float) -> None:
        self._host = host
        self._tls = tls
        self._most = most
        self._keep_alive_s = keep_alive_s
        self._dialer = Dialer(host, port)
        self._taken: set[Connection] = set()  # the places: a connection is open, or is being opened
        self._idle: dict[Connection, float] = {}  # since when
        self._waiting: deque[asyncio.Future[Connection]] = deque()
        self._closed = False

    async def take(self, connect_s: float | None) -> Connection:
        """An open connection that is nobody else's. Raises `httpx2.ConnectError` or `httpx2.ConnectTimeout`."""
        while True:
            connection = self._idle_one()
            if connection is None:
                connection = self._new_one() if len(self._taken) < self._most else await self._next_one()
            if connection.is_new:
                await self._open(connection, connect_s)
                return connection
            if not connection.is_stale():
                return connection
            connection.close()

    def give_back(self, connection: Connection) -> None:
        """A response was read, or given up."""
        if connection.begin_again():
            self._pass_on(connection)
        else:
            connection.close()

    async def aclose(self) -> None:
        self._closed = True
        while waiter := self._next_waiter():
            waiter.set_exception(httpx2.ConnectError(_CLOSED))
        for connection in tuple(self._taken):
            await connection.aclose()

    # -- places

    def _idle_one(self) -> Connection | None:
        """The one used last. Where that was too long ago, none of the others is younger."""
        if not self._idle:
            return None
        connection, since = self._idle.popitem()
        if time.monotonic() - since <= self._keep_alive_s:
            return connection
        for one in (connection, *self._idle):
            one.close()
        self._idle.clear()
        return None

    def _new_one(self) -> Connection:
        connection = Connection(self._free)
        self._taken.add(connection)
        return connection

    async def _next_one(self) -> Connection:
        """What becomes free: a connection, or a place for a new one."""
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            raise

    def _pass_on(self, connection: Connection) -> None:
        if waiter := self._next_waiter():
            waiter.set_result(connection)
        elif connection.is_new:
            self._free(connection)
        else:
            self._idle[connection] = time.monotonic()

    def _free(self, connection: Connection) -> None:
        """A connection was lost, or never came to be."""
        self._idle.pop(connection, None)
        self._taken.remove(connection)
        if waiter := self._next_waiter():
            waiter.set_result(self._new_one())

    def _next_waiter(self) -> asyncio.Future[Connection] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    async def _open(self, connection: Connection, connect_s: float | None) -> None:
        try:
            async with asyncio.timeout(connect_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    sock=await self._dialer.connected(),
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
            if self._closed:
                raise ConnectionAbortedError(_CLOSED)
        except BaseException as error:
            connection.close()
            if connection.is_new:
                self._free(connection)
            if isinstance(error, TimeoutError):
                raise httpx2.ConnectTimeout(str(error)) from error
            if isinstance(error, OSError):
                raise httpx2.ConnectError(str(error)) from error
            raise


class _Body(httpx2.AsyncByteStream):
    """The body of a response. Closing it gives the connection back."""

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self._connection = connection
        self._give_back: Callable[[Connection], None] | None = pool.give_back

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._connection.body()

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self._connection)
