"""What an agent can reach altogether, with the agents behind its tools and those that take over: hosts, commands,
functions, files. Pure.

From the data of `describe.py`. A command or function that is held to nothing may reach any host and file that agentrun
may: it is named, so that no reviewer takes the lists for all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Described = dict[str, Any]
Reach = dict[str, list[str]]
_AUTHORITY = re.compile(r"(?:https?://)?([^/?#]+)", re.IGNORECASE)


def reach_of(agent: Described) -> Reach:
    """Each list without repetition, in the order of the tools.

    `any_host` and `any_file` are the tools that nothing holds to the other entries; those of `any_read` are only held
    to what they write.
    """
    kinds = ("hosts", "any_host", "commands", "functions", "files", "any_read", "any_file")
    found: Reach = {kind: [] for kind in kinds}
    for one in (agent, *agent["takes_over"]):
        for kind, entry in _agent(one):
            if entry not in found[kind]:
                found[kind].append(entry)
    return found


def _agent(agent: Described) -> Iterator[tuple[str, str]]:
    for model in (agent["model"], *agent["model"]["fallback"]):
        if model["address"] is not None:
            yield "hosts", _host(model["address"])
    for tool in agent["tools"]:
        yield from _tool(tool)


def _tool(tool: Described) -> Iterator[tuple[str, str]]:
    backend = tool["backend"]
    match backend["kind"]:
        case "http":
            yield from (("hosts", host) for host in backend["hosts"])
            if backend["token_url"]:
                yield "hosts", _host(backend["token_url"])
            for one in backend["files"]:
                yield "files", f"sends any below {one['below']}" if one["below"] else f"sends {one['file']}"
        case "shell":
            yield "commands", backend["command_line"]
            sandbox = backend["sandbox"]
            if sandbox is None or sandbox["network"]:
                yield "any_host", tool["name"]
            if sandbox is None:
                yield "any_file", tool["name"]
            else:
                yield "any_read", tool["name"]
                yield from (("files", f"writes {path}") for path in sandbox["write"])
        case "mcp" if backend["command_line"] is not None:
            yield "commands", backend["command_line"]
            yield "any_host", tool["name"]
            yield "any_file", tool["name"]
        case "mcp" | "openapi":
            yield from (("hosts", host) for host in backend["hosts"])
            if backend["token_url"]:
                yield "hosts", _host(backend["token_url"])
        case "python":
            yield "functions", backend["target"]
            yield "any_host", tool["name"]
            yield "any_file", tool["name"]
        case "agent":
            yield from _agent(backend["agent"])


def _host(address: str) -> str:
    found = _AUTHORITY.match(address)
    return found.group(1) if found else address
