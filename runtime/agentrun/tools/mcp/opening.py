"""A connection by the way that a launch names. Imports the SDK: `shared.py` loads it where a server is needed."""

from __future__ import annotations

from collections.abc import Callable

from agentrun import __version__
from agentrun.tools.mcp.connection import Connection, LeftEarly
from agentrun.tools.mcp.launch import HttpLaunch, Launch
from agentrun.tools.mcp.stdio import StdioRoute
from agentrun.tools.mcp.streamable import HttpRoute
from agentrun.tools.oauth2 import TokenSource


async def connect(
    launch: Launch, token: TokenSource | None, changed: Callable[[], None], *, by_handshake: bool
) -> tuple[Connection, bool]:
    """A connection that is open, and whether it was begun by the handshake of the earlier protocol at once.

    Mostly the server is asked first which protocol it speaks. Some programs end at a question before the handshake:
    those are started once more. Raises `ToolFailure`.
    """
    connection = _connection(launch, token, changed)
    if by_handshake:
        await connection.open("legacy")
        return connection, True
    try:
        await connection.open("auto")
    except LeftEarly:
        connection = _connection(launch, token, changed)
        await connection.open("legacy")
        return connection, True
    return connection, False


def _connection(launch: Launch, token: TokenSource | None, changed: Callable[[], None]) -> Connection:
    route = HttpRoute(launch, token) if isinstance(launch, HttpLaunch) else StdioRoute(launch)
    return Connection(launch.name, __version__, route, changed)
