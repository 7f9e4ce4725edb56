"""How a server is reached: what says that two tool documents mean the same one."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from agentrun.errors import UsageError
from agentrun.spec.types import AuthSpec
from agentrun.tools.auth import authorized_header, check_authors_header, credentials
from agentrun.tools.mcp.named import server_name
from agentrun.tools.url import BadUrl, Url, parse_whole_url

# What the protocol says in headers.
_PROTOCOL = frozenset({"accept", "accept-encoding", "content-type", "last-event-id"})


class StdioLaunch(msgspec.Struct, frozen=True):
    """A program that is started. `env` is its whole environment, `cwd` an absolute path."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]

    @property
    def name(self) -> str:
        """As messages name the server."""
        return server_name(self.argv)


class HttpLaunch(msgspec.Struct, frozen=True):
    """An address that speaks streamable HTTP. `headers` and `auth` go to its origin only."""

    url: str
    headers: Mapping[str, str] = {}
    auth: AuthSpec | None = None

    @property
    def name(self) -> str:
        """The host, as messages name the server: a path and a query may hold what is nobody's business."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


Launch = StdioLaunch | HttpLaunch


def address_of(launch: HttpLaunch) -> tuple[Url, tuple[tuple[str, str], ...]]:
    """Where requests go, and what goes with each: the author's headers and the credentials that are known beforehand.

    Raises `UsageError` for what can't be sent.
    """
    try:
        url = parse_whole_url(launch.url)
    except BadUrl as error:
        raise UsageError(f"`mcp.server_url` can't be used: {error}") from None
    known = credentials(launch.auth)
    for name, value in launch.headers.items():
        taken = "`auth`" if name.lower() == authorized_header(launch.auth) else None
        if name.lower() in _PROTOCOL or name.lower().startswith("mcp-"):
            taken = "agentrun"
        if taken is not None:
            raise UsageError(f"the header {name} is set by {taken}", help="take it out of `headers`")
        check_authors_header(name, value)
    headers = (*launch.headers.items(), *([known.header] if known.header else []))
    return url.with_entry(*known.query) if known.query else url, headers


def key_of(launch: Launch) -> bytes:
    """Equal for the same server reached in the same way."""
    return msgspec.json.encode([type(launch).__name__, launch], order="deterministic")
