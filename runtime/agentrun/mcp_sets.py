"""The tools of an MCP server as a set that an agent has: asked when a run begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agentrun.engine.agent import BoundTool
from agentrun.spec.types import McpSpec
from agentrun.tool_sets import SetRules
from agentrun.tools.mcp.servers import Servers
from agentrun.tools.network import Network
from agentrun.tools.oauth2 import TokenSources


class McpSet:
    """`folder` is the one of the file, to which `cwd` is relative; `root` that of the project."""

    def __init__(
        self,
        spec: McpSpec,
        rules: SetRules,
        *,
        folder: Path,
        root: Path,
        environ: Mapping[str, str],
        servers: Servers,
        network: Callable[[], tuple[Network, TokenSources]],
    ) -> None:
        self.name = rules.name
        raise NotImplementedError

    async def members(self) -> Sequence[BoundTool]:
        raise NotImplementedError
