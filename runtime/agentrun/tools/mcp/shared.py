"""A server over its connections, shared by all of a process that name it in the same way.

It is started when somebody needs it, and again by the next who does once it has gone. Users are counted: an agent that
is bound anew holds it before the old one lets go. What belongs to an event loop stays there: each loop has its own.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from agentrun.engine.ports import CallContext
from agentrun.errors import ToolFailure, ToolsError
from agentrun.tools.mcp.launch import Launch
from agentrun.tools.mcp.remote import Listing
from agentrun.tools.oauth2 import TokenSource

if TYPE_CHECKING:
    from agentrun.tools.mcp.connection import Connection

_versions = itertools.count(1)


class SharedServer:
    """In one event loop. `starts` counts its connections."""

    def __init__(self, launch: Launch, token: Callable[[], TokenSource | None]) -> None:
        self._launch = launch
        self._token = token
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._lock = asyncio.Lock()
        self._listing: Listing | None = None
        self._is_old = False
        self._by_handshake = False
        self.starts = 0

    async def listing(self) -> Listing:
        """Raises `ToolFailure`."""
        async with self._lock:
            for attempt in range(2):
                was_there = self._usable() is not None
                connection = await self._connected()
                if self._listing is not None and not self._is_old:
                    return self._listing
                self._is_old = False
                try:
                    tools = await connection.tools()
                except BaseException as error:
                    self._is_old = True
                    if attempt == 0 and was_there and isinstance(error, ToolFailure) and connection.is_over:
                        continue  # it had gone before anybody noticed
                    raise
                self._listing = Listing(tools, connection.instructions, next(_versions))
                return self._listing
        raise AssertionError("the second attempt returns or raises")

    async def call(self, tool: str, arguments: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Raises `ToolFailure`."""
        return await (await self._connected()).call(tool, arguments, context)

    async def connect(self) -> int:
        """Start it where it isn't there; which start that was. Raises `ToolFailure`."""
        await self._connected()
        return self.starts

    async def aclose(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.wait({opening})
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _usable(self) -> Connection | None:
        return None if self._connection is None or self._connection.is_over else self._connection

    async def _connected(self) -> Connection:
        """One start for all who wait for it. Who gives up waiting leaves the others theirs."""
        found = self._usable()
        if found is not None:
            return found
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, task: asyncio.Task[Connection]) -> None:
        if self._opening is task:
            self._opening = None
        if not task.cancelled():
            task.exception()  # whoever waits is told; that nobody does is no news

    async def _open(self) -> Connection:
        connect = await asyncio.to_thread(_load)  # half a second the first time, in which the loop goes on
        if self._connection is not None:
            await self._connection.close()
        self._connection, self._by_handshake = await connect(
            self._launch, self._token(), self._changed, by_handshake=self._by_handshake
        )
        self.starts += 1
        self._is_old = True
        return self._connection

    def _changed(self) -> None:
        """The server says so: who asks next is told anew."""
        self._is_old = True


def _load() -> Callable[..., Awaitable[tuple[Connection, bool]]]:
    """The SDK, and what is built on it. Raises `ToolsError` where it isn't installed."""
    try:
        from agentrun.tools.mcp.opening import connect
    except ModuleNotFoundError as error:
        raise ToolsError(
            f"an MCP server needs a package that is not installed: {error.name}",
            help="Install it: pip install 'mcp>=2.3,<3'",
        ) from None
    for name in ("mcp", "client", "httpx2"):  # what they log is for whoever sets logging up, not for the terminal
        logging.getLogger(name).addHandler(logging.NullHandler())
    return connect


class _Entry:
    """A server's users, and what it is in each event loop."""

    def __init__(self) -> None:
        self.users: weakref.WeakSet[object] = weakref.WeakSet()
        self.servers: dict[asyncio.AbstractEventLoop, SharedServer] = {}


_entries: dict[bytes, _Entry] = {}


def hold(key: bytes, user: object) -> None:
    """`user` needs the server, until `release`."""
    _entries.setdefault(key, _Entry()).users.add(user)


def shared(key: bytes, user: object, launch: Launch, token: Callable[[], TokenSource | None]) -> SharedServer:
    """The server in the running loop. `user` holds it from here on."""
    entry = _entries.setdefault(key, _Entry())
    entry.users.add(user)
    loop = asyncio.get_running_loop()
    if loop not in entry.servers:
        for other in [one for one in entry.servers if one.is_closed()]:  # its connections ended with it
            del entry.servers[other]
        entry.servers[loop] = SharedServer(launch, token)
    return entry.servers[loop]


async def release(keys: Iterable[bytes], user: object) -> None:
    """`user` needs these no more. Those that nobody needs end, all at once."""
    unused: dict[asyncio.AbstractEventLoop, list[SharedServer]] = {}
    for key in keys:
        entry = _entries.get(key)
        if entry is None:
            continue
        entry.users.discard(user)
        if not entry.users:
            del _entries[key]
            for loop, server in entry.servers.items():
                unused.setdefault(loop, []).append(server)
    here = asyncio.get_running_loop()
    for loop, servers in unused.items():
        if loop is not here and loop.is_running():  # that of another thread
            loop.call_soon_threadsafe(_close_there, loop, servers)
    await _close_all(unused.get(here, []))


async def _close_all(servers: Iterable[SharedServer]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in servers:
            group.create_task(one.aclose())


_closing: set[asyncio.Task[None]] = set()


def _close_there(loop: asyncio.AbstractEventLoop, servers: Iterable[SharedServer]) -> None:
    task = loop.create_task(_close_all(servers))
    _closing.add(task)
    task.add_done_callback(_closing.discard)
