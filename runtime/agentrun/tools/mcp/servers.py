"""The MCP servers that an agent and those it reaches use, shared with the rest of the process (`shared.py`)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from agentrun.engine.exchange import OnExchange
from agentrun.engine.ports import CallContext
from agentrun.errors import ToolFailure, ToolsError
from agentrun.spec.types import OAuth2Auth
from agentrun.tools.mcp.cutting import ending_of
from agentrun.tools.mcp.launch import HttpLaunch, Launch, address_of, key_of
from agentrun.tools.mcp.remote import Listing, RemoteTool
from agentrun.tools.mcp.route import SessionLost
from agentrun.tools.mcp.shared import SharedServer, hold, release, shared
from agentrun.tools.mcp.watching import watched_by
from agentrun.tools.oauth2 import TokenSource, TokenSources

_MAX_LAST_WORDS_CHARS = 600
_numbers = itertools.count()


class Servers:
    """Connections by server. `aclose` ends those that nobody else of the process uses; it may be used again."""

    def __init__(self, watch: OnExchange | None = None) -> None:
        """`watch` is told what goes to addresses for whoever uses these, and comes back."""
        self.watch = watch
        self._keys: set[bytes] = set()
        self._number = next(_numbers)

    def of(self, launch: Launch, tokens: Callable[[], TokenSources] | None = None) -> Server:
        """Nothing is started yet. `tokens` are needed for `auth.oauth2` only: a connection with these is nobody else's,
        since they are masked by who asked for them. Raises `UsageError` for what can't be sent.
        """
        key, oauth2 = key_of(launch), None
        if isinstance(launch, HttpLaunch):
            address_of(launch)
            oauth2 = launch.auth.oauth2 if launch.auth is not None else None
        if oauth2 is not None:
            key += b" of %d" % self._number
        self._keys.add(key)
        hold(key, self)
        return Server(self, key, launch, oauth2, tokens)

    async def aclose(self) -> None:
        """Ends what nobody else in the process uses."""
        await release(self._keys, self)


class Server:
    """One server as an agent sees it. `name` is for messages: what the command runs, or the host."""

    def __init__(
        self,
        owner: Servers,
        key: bytes,
        launch: Launch,
        oauth2: OAuth2Auth | None,
        tokens: Callable[[], TokenSources] | None,
    ) -> None:
        self.name = launch.name
        self._owner = owner
        self._key = key
        self._launch = launch
        self._oauth2 = oauth2
        self._tokens = tokens
        self._listed: dict[str, RemoteTool] = {}
        self._of: tuple[SharedServer, int] | None = None

    async def tools(self) -> Listing:
        """Started when first needed; asked again when the server said that its list changed, or was restarted.

        Raises `ToolsError` where it doesn't start, doesn't answer, or the package `mcp` isn't there.
        """
        server = self._shared()
        try:
            with watched_by(self._owner.watch):
                listing = await server.listing()
        except ToolFailure as failure:
            raise ToolsError(_in_a_sentence(failure)) from None
        self._listed = {tool.name: tool for tool in listing.tools}
        self._of = server, server.starts
        return listing

    async def call(self, tool: str, arguments: dict[str, Any], context: CallContext) -> Mapping[str, Any]:
        """The CallToolResult as plain JSON data, by the protocol's names (`content`, `structuredContent`, `isError`).

        Raises `ToolFailure`.
        """
        with watched_by(self._owner.watch):
            return await self._call(tool, arguments, context)

    async def _call(self, tool: str, arguments: dict[str, Any], context: CallContext) -> Mapping[str, Any]:
        server = self._shared()
        for attempt in range(2):
            starts = await server.connect()
            if self._of is not None and self._of != (server, starts):
                await self._check_same(server, tool)
            try:
                return await server.call(tool, arguments, context)
            except SessionLost:
                if attempt == 1:
                    raise
        raise AssertionError("the second attempt returns or raises")

    async def _check_same(self, server: SharedServer, tool: str) -> None:
        """It was started again since its tools were listed, and may be another: a call means what was listed."""
        listing = await server.listing()
        now = next((one for one in listing.tools if one.name == tool), None)
        before = self._listed.get(tool)
        if before is None or (now is not None and now.definition == before.definition):
            return
        what = f"has no tool `{tool}` any more" if now is None else f"describes `{tool}` in another way now"
        raise ToolFailure(
            "tool_error",
            f"the MCP server `{self.name}` was started again and {what}: "
            "the call was not made, and what it has now is offered with the next message",
        )

    def _shared(self) -> SharedServer:
        return shared(self._key, self._owner, self._launch, self._token)

    def _token(self) -> TokenSource | None:
        return self._tokens().of(self._oauth2) if self._oauth2 is not None and self._tokens is not None else None


def _in_a_sentence(failure: ToolFailure) -> str:
    """With what may say why: the last that the server wrote, without the frames of a stack as node prints it."""
    said = failure.details.get("stderr") or failure.details.get("stdout") or ""
    lines = [line.strip() for line in str(said).splitlines()]
    words = ending_of(" | ".join(line for line in lines if line and not line.startswith("at ")), _MAX_LAST_WORDS_CHARS)
    return f"{failure.message}; the last that it wrote: {words}" if words else failure.message
