"""The JSON files in which other programs name MCP servers: `mcpServers` (Claude Desktop, Cursor, Windsurf), `servers`
(VS Code) or `context_servers` (Zed). What becomes of an entry is `mcp_servers.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from agentrun.diagnostics import one_of
from agentrun.errors import UsageError
from agentrun.foreign.commented_json import read_commented
from agentrun.foreign.converted import Left
from agentrun.foreign.mcp_servers import Making, McpServers


def from_json(text: str, path: str, *, only: Sequence[str] = ()) -> McpServers:
    """`only` are the names of servers that are wanted; none: all. Raises `UsageError`."""
    data = read_commented(text, path)
    entries = _entries(data)
    if entries is None:
        raise UsageError(
            f"`{path}` names no MCP servers",
            help="they stand in `mcpServers` (Claude Desktop, Cursor), `servers` (VS Code) or `context_servers` (Zed)",
        )
    for one in only:
        if one not in entries:
            raise UsageError(f"`{path}` has no server `{one}`", help=f"it has {one_of(entries) or 'none'}")
    made = Making(_inputs(data))
    for name, entry in entries.items():
        if only and name not in only:
            continue
        if not isinstance(entry, Mapping):
            made.left.append(Left(_line_of(text, name), f"server {name}", "it is no mapping"))
            continue
        made.add(name, entry, partial(_line_of, text, name))
    return made.result()


def _entries(data: Any) -> Mapping[str, Any] | None:
    if not isinstance(data, Mapping):
        return None
    for key in ("mcpServers", "servers", "context_servers"):
        if isinstance(data.get(key), Mapping):
            found: Mapping[str, Any] = data[key]
            return found
    return _entries(data.get("mcp"))


def _inputs(data: Mapping[str, Any]) -> dict[str, str]:
    """What VS Code asks the person for, by id."""
    nested = data.get("mcp")
    listed = data.get("inputs") or (nested.get("inputs") if isinstance(nested, Mapping) else None)
    found: dict[str, str] = {}
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, Mapping) and isinstance(one.get("id"), str):
            found[one["id"]] = str(one.get("description") or "")
    return found


def _line_of(text: str, name: str, key: str = "") -> int:
    """The line on which a server begins, or one of its keys."""
    at = text.find(f'"{name}"')
    inside = text.find(f'"{key}"', at) if key else at
    return text.count("\n", 0, max(at, inside)) + 1 if at >= 0 else 1
