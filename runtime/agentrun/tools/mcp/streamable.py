"""A server at an address: streamable HTTP through the SDK, over our own `Wire`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from agentrun.errors import ToolFailure
from agentrun.tools.mcp.launch import HttpLaunch, address_of
from agentrun.tools.mcp.refusals import Refusals
from agentrun.tools.mcp.route import MAX_MESSAGE_BYTES
from agentrun.tools.mcp.wire import Wire
from agentrun.tools.oauth2 import TokenSource

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams


class HttpRoute:
    """A `Route` to an address."""

    def __init__(self, launch: HttpLaunch, token: TokenSource | None) -> None:
        """Raises `UsageError`."""
        self.over = asyncio.Event()
        url, headers = address_of(launch)
        self._url = url
        refusals = Refusals(launch.name, url.path, authorized=_has_credentials(launch))
        self._wire = Wire(launch.name, url, headers, token, refusals)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> TransportStreams:
        client = httpx2.AsyncClient(transport=self._wire, trust_env=False, timeout=None, max_redirects=0)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client)
            # The SDK is told of the address without its query, which may hold a key: the wire knows the rest.
            streams = await stack.enter_async_context(
                streamable_http_client(
                    f"{self._url.origin}{self._url.path}", http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES
                )
            )
            self._stack = stack.pop_all()
        return streams

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._stack.__aexit__(*exc_info)

    def departure(self) -> ToolFailure | None:
        return None

    def told(self, data: Any) -> ToolFailure | None:
        return self._wire.told(data)

    @property
    def clues(self) -> dict[str, Any]:
        return {}


def _has_credentials(launch: HttpLaunch) -> bool:
    """Whether the author gave it some, as far as names tell: a key may stand in a header or in the address, too."""
    names = " ".join(launch.headers).lower()
    named = any(one in names for one in ("authorization", "key", "token"))
    return named or launch.auth is not None or "?" in launch.url
