"""Asking a server that is not of the project yet which tools it has, as a run would ask it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from agentrun.errors import UsageError
from agentrun.foreign.mcp_servers import McpServer
from agentrun.foreign.mcp_set import ServerTool
from agentrun.spec.types import McpSpec
from agentrun.templates import interpolate


async def listed(server: McpServer, environ: Mapping[str, str], folder: Path) -> list[ServerTool]:
    """The tools of a server; `folder` is the one of its file. What was started for it is ended.

    What a variable took the place of is known here, and is told to nobody but the server. Raises `AgentrunError`.
    """
    from agentrun.mcp_sets import launch_of
    from agentrun.tools.mcp.servers import Servers

    spec = msgspec.convert(_filled(server.mcp, {**environ, **server.values}), McpSpec)
    launch = launch_of(spec, folder, environ)
    servers = Servers()
    try:
        listing = await servers.of(launch).tools()
    finally:
        await servers.aclose()
    return [ServerTool(one.name, one.description or one.title, one.read_only, one.destructive) for one in listing.tools]


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    """The data with its variables filled in."""
    if isinstance(value, dict):
        return {key: _filled(one, environ) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, environ) for one in value]
    if not isinstance(value, str):
        return value
    filled = interpolate(value, environ)
    for problem in filled.problems:
        raise UsageError(
            f"the environment variable {problem.name} is not set, and the server needs it",
            help="set it, or write the set without asking the server: `--no-connect`",
        )
    return filled.text
