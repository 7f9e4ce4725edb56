"""What a set of tools, or a member of one, reaches, as (label, text). Pure; the texts pass the escaping sink later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Described = dict[str, Any]
_READS = ("GET", "HEAD")


def set_rows(backend: Described) -> Iterator[tuple[str, str]]:
    yield from _mcp(backend) if backend["kind"] == "mcp" else _openapi(backend)


def _mcp(backend: Described) -> Iterator[tuple[str, str]]:
    if "tool" in backend:
        yield "mcp", f"{backend['tool']} of the server {backend['set']}"
    if backend["command_line"] is not None:
        yield "server", backend["command_line"]
        yield "in", backend["cwd"]
        if backend["env"]:
            yield "with", ", ".join(backend["env"])
        yield "files", "all that you may read and write: no sandbox"
    else:
        yield "server", backend["server_url"]
        yield "hosts", ", ".join(backend["hosts"]) or "none: every call is refused"
    yield from _sends(backend)
    if "tool" not in backend:
        yield "tools", _taken(backend)


def _openapi(backend: Described) -> Iterator[tuple[str, str]]:
    if "operation" in backend:
        yield "openapi", f"{backend['operation']} of {backend['document']}"
        yield "http", f"{backend['method']} {backend['url']}"
    else:
        named = [one for one in (backend["title"], backend["version"]) if one]
        yield "openapi", f"{backend['document']} ({' '.join(named)})" if named else backend["document"]
        yield "tools", _taken(backend)
    yield "hosts", ", ".join(backend["hosts"]) or "none: every call is refused"
    yield from _sends(backend)


def _sends(backend: Described) -> Iterator[tuple[str, str]]:
    sent = [f"auth {backend['auth']}"] if backend["auth"] else []
    sent += [f"headers {', '.join(backend['headers'])}"] if backend["headers"] else []
    sent += [f"always {', '.join(backend['bind'])}, which the model doesn't see"] if backend["bind"] else []
    if sent:
        yield "sends", "; ".join(sent)
    if backend["token_url"]:
        yield "tokens", f"from {backend['token_url']}"


def _taken(backend: Described) -> str:
    """Which members: those that the set allows, and of these those that an agent takes."""
    allowed = ", ".join(backend["allowed_tools"])
    words = "all" if backend["allowed_tools"] == ["*"] else f"those that match {allowed}"
    if backend["kind"] == "openapi":
        words = backend["problem"] or f"{_methods(backend)}, by {allowed}"
    wanted = backend.get("wanted", ["*"])
    return words if wanted == ["*"] else f"{words}; of these {', '.join(wanted)}"


def _methods(backend: Described) -> str:
    methods = backend["methods"]
    kinds = {
        "read": {one: count for one, count in methods.items() if one in _READS},
        "change": {one: count for one, count in methods.items() if one not in _READS},
    }
    told = [f"{_listed(found)} {kind}" for kind, found in kinds.items() if found]
    count = backend["operations"]
    return f"{count:,} operation{'' if count == 1 else 's'}" + (f" ({'; '.join(told)})" if told else "")


def _listed(methods: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {method}" for method, count in methods.items())
