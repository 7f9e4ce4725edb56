"""Tools as an MCP server tells of them. All of it is the server's word: hostile text, and hints that may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from mcp_types import Tool


class RemoteTool(msgspec.Struct, frozen=True):
    """`description` and `title` are empty where the server gives none. `output` is the schema of structured results.

    `read_only`, `idempotent`, `open_world` and `destructive` are its annotations, with the protocol's defaults for what
    it doesn't say.
    """

    name: str
    title: str
    description: str
    parameters: Mapping[str, Any]
    output: Mapping[str, Any] | None
    read_only: bool
    idempotent: bool
    open_world: bool
    destructive: bool

    @property
    def definition(self) -> tuple[str, Mapping[str, Any]]:
        """What the model is told of it: where that differs, it is another tool."""
        return self.description, self.parameters


class Listing(msgspec.Struct, frozen=True):
    """All tools of a server at one time. Of two listings the later one has the higher `version`."""

    tools: list[RemoteTool]
    instructions: str
    version: int


def remote_tool(tool: Tool) -> RemoteTool:
    """From the SDK's own form. What only says how a tool writes means nothing for one that reads."""
    hints = tool.annotations
    read_only = bool(hints and hints.read_only_hint)
    return RemoteTool(
        name=tool.name,
        title=tool.title or (hints and hints.title) or "",
        description=tool.description or "",
        parameters=tool.input_schema,
        output=tool.output_schema,
        read_only=read_only,
        idempotent=read_only or bool(hints and hints.idempotent_hint),
        open_world=not hints or hints.open_world_hint is not False,
        destructive=not read_only and (not hints or hints.destructive_hint is not False),
    )
