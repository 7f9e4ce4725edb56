"""What a connection asks of the way to its server: the same of a program and of an address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from agentrun.errors import ToolFailure

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

MAX_MESSAGE_BYTES = 10 * 1024 * 1024


class SessionLost(ToolFailure):
    """The server doesn't know the session any more: it did nothing with the request."""


class Route(Protocol):
    """One way to a server, as the SDK's transport: entered and left once, in one task."""

    over: asyncio.Event
    """Set when it is of no more use: the other side has gone, or nobody needs it."""

    async def __aenter__(self) -> TransportStreams: ...
    async def __aexit__(self, *exc_info: object) -> None: ...

    def departure(self) -> ToolFailure | None:
        """How the server went, once the route was left; None where it didn't go by itself. Its message goes on after
        the server's name, and its details are for the model.
        """

    def told(self, data: Any) -> ToolFailure | None:
        """What the route itself has to say of a request, where an error's `data` says that it has."""

    @property
    def clues(self) -> dict[str, Any]:
        """What may say why the server doesn't start, for the details of a failure."""
