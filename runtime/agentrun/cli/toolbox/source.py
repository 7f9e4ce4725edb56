"""Where a tool comes from, in few words: the host that it asks, the command that it runs. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

Described = dict[str, Any]
_LAUNCHERS = ("npx", "uvx", "bunx", "pnpx", "pipx", "docker", "podman", "uv")
_INTERPRETER = re.compile(r"(?:python|node|deno|bun|ruby|java)[\d.]*")
_WORDS_OF_LAUNCHERS = ("run", "exec", "dlx", "tool")


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
            return f"command {program(backend['command'])}" if backend["command"] else "script"
        case "python":
            return f"python {backend['target']}"
        case "agent":
            return f"agent {backend['agent']['name']}"
        case "mcp":
            return f"mcp {server_of(backend['command']) if backend['command'] else _first_host(backend)}"
        case "openapi":
            return f"openapi {PurePath(backend['document']).name}"
        case "handoff":
            return f"agent {backend['agent']}"
    return str(backend["kind"])


def _first_host(backend: Described) -> str:
    return next(iter(backend["hosts"]), "no host")


def program(command: list[Any]) -> str:
    """The program of a command line; where it only fetches another and runs it, that one."""
    words = [str(one) for one in command]
    name = PurePath(words[0]).name
    if name not in _LAUNCHERS:
        return name
    rest = [one for one in words[1:] if not one.startswith("-") and one not in _WORDS_OF_LAUNCHERS]
    return rest[0] if rest else name


def server_of(command: list[str]) -> str:
    """The same of a server's command, which is often a script: `server.py` of `python server.py`."""
    name = program(command)
    if not _INTERPRETER.fullmatch(name):
        return name
    return next((PurePath(one).name for one in command[1:] if not one.startswith("-")), name)
