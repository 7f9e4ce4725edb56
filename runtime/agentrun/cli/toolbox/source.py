"""Where a tool comes from, in few words: the host that it asks, the command that it runs. Pure."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from agentrun.tools.mcp.named import program_name, server_name

Described = dict[str, Any]
_MAX_CHARS = 26


def cut(source: str) -> str:
    """A source for a column of a list."""
    return source if len(source) <= _MAX_CHARS else f"{source[: _MAX_CHARS - 1]}…"


def source_of(tool: Described) -> str:
    backend = tool["backend"]
    match backend["kind"]:
        case "http":
            return _first_host(backend)
        case "shell":
            return f"command {program_name([*map(str, backend['command'])])}" if backend["command"] else "script"
        case "python":
            return f"python {backend['target']}"
        case "agent":
            return f"agent {backend['agent']['name']}"
        case "mcp":
            return f"mcp {server_name(backend['command']) if backend['command'] else _first_host(backend)}"
        case "openapi":
            return f"openapi {PurePath(backend['document']).name}"
        case "handoff":
            return f"agent {backend['agent']}"
    return str(backend["kind"])


def _first_host(backend: Described) -> str:
    return next(iter(backend["hosts"]), "no host")
