"""What an address answered that is of no use, in words that say what can be done. Pure."""

from __future__ import annotations

from agentrun.errors import ToolFailure
from agentrun.tools.http_send import in_words

_WHOLE = "`server_url` is the whole address of the server, mostly with the path /mcp"
_NO_LOGIN = "; it offers a login with OAuth, which agentrun doesn't do: `auth` takes a token, or client credentials"
_NO_SSE = "; the older transport over SSE is not spoken here"


class Refusals:
    """Of the server `name`. `path` is that of its address, `authorized` says whether credentials go with requests."""

    def __init__(self, name: str, path: str, *, authorized: bool) -> None:
        self._name = name
        self._path = path
        self._authorized = authorized

    def credentials(self, status: int, challenge: str) -> ToolFailure:
        """`challenge` is the header WWW-Authenticate."""
        if not self._authorized:
            oauth = _NO_LOGIN if "resource_metadata" in challenge.lower() else ""
            return self._status(status, f"it wants credentials, which `auth` gives it{oauth}")
        what = "are wrong, or valid no more" if status == 401 else "don't allow this"
        return self._status(status, f"the credentials that it was given {what}")

    def moved(self, status: int) -> ToolFailure:
        return self._status(status, "it is at another address now")

    def status(self, status: int, *, in_session: bool) -> ToolFailure:
        """Any other one, without a message of the protocol."""
        if in_session or status not in (404, 405):
            return self._status(status, "")
        sse = _NO_SSE if status == 405 or self._path.rstrip("/").endswith("/sse") else ""
        return self._status(status, f"{_WHOLE}{sse}")

    def content_type(self, content_type: str) -> ToolFailure:
        what = content_type.partition(";")[0].strip()[:100] or "content without a type"
        message = f"the MCP server `{self._name}` answered with {what}, which is no answer of an MCP server: {_WHOLE}"
        return ToolFailure("connection", message)

    def packed(self) -> ToolFailure:
        return ToolFailure("connection", f"the MCP server `{self._name}` packed its answer, which nobody asked for")

    def _status(self, status: int, why: str) -> ToolFailure:
        said = f"the MCP server `{self._name}` answered {in_words(status)}"
        return ToolFailure("http_status", f"{said}: {why}" if why else said, status=status)
