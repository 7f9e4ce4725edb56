"""What cases expect of a tool's request, where the tool makes none, or another kind of one."""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, one_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import members
from agentrun.spec.rules.case_places import agent_under_test, expected_calls
from agentrun.spec.rules.toolbox import backend, toolbox

_HTTP = ("method", "url", "query", "headers", "json", "form", "body")
_SHELL = ("argv", "cwd", "env", "stdin")
_KEYS = {"http": _HTTP, "openapi": _HTTP, "shell": _SHELL}


def requests(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    agent = agent_under_test(catalog, document)
    calls = [call for call in expected_calls(document) if call.node is not None and call.node.get("request")]
    box = toolbox(catalog, agent) if agent is not None and calls else None
    for call in calls if box is not None else ():
        kinds = {backend(tool) for tool in box.tools.get(call.tool, ())} if box is not None else set()
        kind = str(next(iter(kinds))) if len(kinds) == 1 else ""
        node = call.node
        if node is None or kind in ("", "None"):
            continue
        if kind not in _KEYS:
            article = "an" if kind in ("agent", "mcp") else "a"
            message = f"`{call.tool}` makes no request that is seen: it is {article} {kind} tool"
            help = "leave `request` out; it is for http and shell tools"
            yield Diagnostic("AR907", "warning", message, node.key_place(("request",)), help)
            continue
        key = next(
            (key for key in members(node.get("request")) if key in (*_HTTP, *_SHELL) and key not in _KEYS[kind]), None
        )
        if key is not None:
            article = "a" if kind == "shell" else "an"
            message = f"`{key}` is nothing that `{call.tool}` sends, which is {article} {kind} tool"
            help = f"such a request has {one_of(_KEYS[kind])}"
            yield Diagnostic("AR907", "warning", message, node.key_place(("request", key)), help)


RULES = (requests,)
