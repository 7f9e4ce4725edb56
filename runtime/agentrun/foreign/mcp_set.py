"""The file of a set for an MCP server, with the tools that it has and what each says of itself, where it was asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from agentrun.foreign.converted import Converted, NewFile
from agentrun.foreign.mcp_servers import McpServer, McpServers
from agentrun.foreign.yaml_text import yaml_document
from agentrun.spec.credential_words import without_keys
from agentrun.spec.nodes import Route
from agentrun.visible import one_line

_MAX_ABOUT_CHARS = 90


class ServerTool(msgspec.Struct, frozen=True):
    """A tool that a server has, in the server's own words, which are hostile text."""

    name: str
    about: str
    read_only: bool
    destructive: bool


def set_text(
    server: McpServer, tools: Sequence[ServerTool] | None = None, *, path: str, comments: Sequence[str] = ()
) -> str:
    """The file of a set. `tools` are those that the server has, which are listed by name; None: it was not asked."""
    data: dict[str, Any] = {} if PurePath(path).stem == server.name else {"name": server.name}
    data["description"] = f"Tools of the MCP server {server.name}."
    if tools is None:
        told = ["Which tools the server has was not asked: `allowed_tools` can name those that are wanted."]
        return yaml_document({**data, "mcp": server.mcp}, path=path, comments=[*comments, *told])
    told = ["As the server describes its tools: take out those that no agent shall have."]
    mcp = {**server.mcp, "allowed_tools": [_as_glob(one.name) for one in tools] or ["*"]}
    beside: dict[Route, list[str]] = {("mcp", "allowed_tools"): [_about(one) for one in tools]}
    return yaml_document({**data, "mcp": mcp}, path=path, comments=[*comments, *told], beside=beside)


def _about(tool: ServerTool) -> str:
    effect = "reads" if tool.read_only else "may destroy" if tool.destructive else "changes things"
    return f"{effect}: {one_line(without_keys(tool.about), _MAX_ABOUT_CHARS) or 'not described'}"


def converted(found: McpServers, texts: Mapping[str, str], path: str | None) -> Converted:
    """`texts` are those of the files, by set."""
    files = [NewFile(path or f"tools.d/{name}.yaml", text) for name, text in texts.items()]
    variables = [f"{name}: {about}" for name, about in found.variables.items()]
    return Converted(files=files, left=found.left, notes=found.notes, variables=variables)


def _as_glob(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name).replace("$", "$$")
