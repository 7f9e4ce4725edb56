"""A described tool as rows of text: what a call does and reaches, what it may change, and who decides about it. Pure.

For whoever shows a whole agent, one tool, or the question whether a call may be made; all of it passes the escaping
sink.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentrun.cli.portrait_set import set_rows
from agentrun.visible import visible

Described = dict[str, Any]
_LABEL_CHARS = 13


def labelled(label: str, text: str) -> str:
    """A row of a label and a text."""
    return f"{label.ljust(_LABEL_CHARS)} {exact(text)}".rstrip()


def exact(text: str) -> str:
    """On one line and uncut: a reviewer must not miss the end of a command."""
    return visible(text.replace("\n", "\\n"))


def is_set(backend: Described) -> bool:
    """Whether it stands for many tools, and is not one of them."""
    return backend["kind"] in ("mcp", "openapi") and "set" not in backend


def action(backend: Described) -> str:
    """What a call does, in the author's words, on one line."""
    match backend["kind"]:
        case "http":
            files = [f"any file below {one['below']}" if one["below"] else one["file"] for one in backend["files"]]
            return f"{backend['method']} {backend['url']}{_sending(files)}"
        case "shell":
            return f"$ {backend['command_line']}"
        case "python":
            return f"python {backend['target']}"
        case "agent":
            return f"runs the agent {backend['agent']['name']}"
        case "mcp":
            return f"calls {backend['tool']} of the MCP server {backend['set']} ({_server(backend)})"
        case "openapi":
            return f"{backend['method']} {backend['url']}"
        case "handoff":
            return f"hands the conversation over to the agent {backend['agent']}"
    return ""


def _server(backend: Described) -> str:
    return str(backend["command_line"] or backend["server_url"])


def _sending(files: list[str]) -> str:
    return f", with {', '.join(files)}" if files else ""


def reach_rows(backend: Described) -> Iterator[tuple[str, str]]:
    """What a backend can reach, as (label, text)."""
    kind = backend["kind"]
    if kind == "http":
        yield "http", f"{backend['method']} {backend['url']}"
        yield "hosts", ", ".join(backend["hosts"]) or "none: every call is refused"
        sent = [f"auth {backend['auth']}"] if backend["auth"] else []
        sent += [f"{what} {', '.join(backend[what])}" for what in ("query", "headers") if backend[what]]
        sent += [f"a body ({backend['body']})"] if backend["body"] else []
        if sent:
            yield "sends", "; ".join(sent)
        for one in backend["files"]:
            yield "files", f"sends any file below {one['below']}" if one["below"] else f"sends {one['file']}"
        if backend["token_url"]:
            yield "tokens", f"from {backend['token_url']}"
        if backend["pages"] > 1:
            yield "pages", f"up to {backend['pages']} requests a call"
    elif kind == "shell":
        yield "shell", backend["command_line"]
        yield "in", backend["cwd"]
        if backend["env"]:
            yield "with", ", ".join(backend["env"])
        yield "files", _files(backend["sandbox"])
        for line in (backend["script"] or "").splitlines():
            yield "  |", line
    elif kind == "python":
        yield "python", f"{backend['target']} of {backend['root']}"
        yield "files", "all that you may read and write: it runs inside agentrun"
    elif kind == "agent":
        yield "agent", backend["agent"]["name"]
    elif kind in ("mcp", "openapi"):
        yield from set_rows(backend)
    else:
        yield kind, "ends the run; its arguments are the output" if kind == "final" else ""


def _files(sandbox: Described | None) -> str:
    if sandbox is None:
        return "all that you may read and write: no sandbox"
    words = [
        f"sandbox: reads all that you may read, but in {_listed(sandbox['hidden'])} only its working folder",
        f"writes {_listed([*sandbox['write'], 'its own /tmp'])}",
        "network" if sandbox["network"] else "no network",
    ]
    return "; ".join([*words, f"{sandbox['max_memory_mb']:,} MiB a process"] if sandbox["max_memory_mb"] else words)


def _listed(words: list[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), words[-1]])


def effects_of(tool: Described) -> str:
    if tool["read_only"] is None:
        words = "as the server says of each tool" if tool["backend"]["kind"] == "mcp" else "by the method of each"
    else:
        words = "read-only" if tool["read_only"] else "changes things"
    again = ", and twice is as good as once" if tool["idempotent"] and not tool["read_only"] else ""
    return words + again + ("; its output is not trusted" if tool["untrusted_output"] else "")


def approval_of(tool: Described) -> str:
    written = tool["require_approval"]
    if written == "auto" and tool["read_only"] is None:
        return "auto: none for what is read-only, else asked once untrusted output was read"
    if written == "auto":
        return "auto: none, it is read-only" if tool["read_only"] else "auto: asked once untrusted output was read"
    return {"always": "always asked", "never": "never asked"}.get(written, f"asked when {written}")
