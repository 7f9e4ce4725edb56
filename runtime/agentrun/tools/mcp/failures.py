"""What the SDK raises, in our words. All that it is known to raise has its place here; anything else is a bug, and is
raised as it is. Imports the SDK.
"""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from agentrun.errors import FailureType, ToolFailure
from agentrun.tools.mcp.cutting import beginning_of
from agentrun.tools.mcp.route import Route

# An answer that comes when nobody reads any more; and a server may name any number as the pause before a next attempt.
LATE = (anyio.ClosedResourceError, anyio.BrokenResourceError, OverflowError)
_MAX_CHARS = 4000


class Words:
    """Of the server `name`."""

    def __init__(self, name: str, route: Route) -> None:
        self._name = name
        self._route = route

    def not_begun(self, error: BaseException) -> ToolFailure:
        """Why there is no connection, of what its task ended with."""
        for one in _leaves(error):
            if isinstance(one, ToolFailure):
                return one
            if isinstance(one, LATE):
                return self.closed()
            if isinstance(one, MCPError):
                return self._route.told(one.data) or self.said(one, "refused to begin")
            if isinstance(one, ValidationError):
                return self.malformed(one)
            if str(one).startswith("Unsupported protocol version"):
                message = f"the MCP server `{self._name}` speaks no version of the protocol that is known here"
                return ToolFailure("connection", message)
        raise error

    def closed(self) -> ToolFailure:
        return ToolFailure("connection", f"the connection to the MCP server `{self._name}` was closed")

    def said(self, error: MCPError, what: str) -> ToolFailure:
        """The server's own error."""
        type_: FailureType = "invalid_arguments" if error.code == types.INVALID_PARAMS else "tool_error"
        if error.code == types.CONNECTION_CLOSED and error.message.startswith(
            "SSE stream"
        ):  # the SDK's, of one request
            type_ = "connection"
        said = beginning_of(error.message, _MAX_CHARS)
        return ToolFailure(type_, f"the MCP server `{self._name}` {what}: {said}", code=error.code)

    def malformed(self, error: ValidationError) -> ToolFailure:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        message = f"the MCP server `{self._name}` answered what the protocol doesn't allow ({where}: {first['msg']})"
        return ToolFailure("tool_error", beginning_of(message, _MAX_CHARS))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
