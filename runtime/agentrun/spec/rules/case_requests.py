"""What cases expect of a tool's request, where the tool makes none, or another kind of one."""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, one_of
from agentrun.effects import http_method
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, members
from agentrun.spec.rules.case_places import agent_under_test, expected_calls
from agentrun.spec.rules.toolbox import backend, toolbox
from agentrun.spec.types import ToolSpec
from agentrun.spec.wording import shown

_HTTP = ("method", "url", "query", "headers", "json", "form", "body")
_SHELL = ("argv", "cwd", "env", "stdin")
REQUEST_KEYS = {"http": _HTTP, "openapi": _HTTP, "shell": _SHELL}


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
        if kind not in REQUEST_KEYS:
            article = "an" if kind in ("agent", "mcp") else "a"
            message = f"`{call.tool}` makes no request that is seen: it is {article} {kind} tool"
            help = "leave `request` out; it is for http and shell tools"
            yield Diagnostic("AR907", "warning", message, node.key_place(("request",)), help)
            continue
        key = next(
            (key for key in members(node.get("request")) if key in (*_HTTP, *_SHELL) and key not in REQUEST_KEYS[kind]),
            None,
        )
        if key is not None:
            article = "a" if kind == "shell" else "an"
            message = f"`{key}` is nothing that `{call.tool}` sends, which is {article} {kind} tool"
            help = f"such a request has {one_of(REQUEST_KEYS[kind])}"
            yield Diagnostic("AR907", "warning", message, node.key_place(("request", key)), help)
        elif kind == "http" and box is not None:
            yield from _other_requests(call.tool, node, box.tools[call.tool])


def _other_requests(name: str, node: Node, tools: list[Document]) -> Iterator[Diagnostic]:
    """A method that the tool doesn't send, and a query where none is looked at."""
    method, url = node.get("request", "method"), node.get("request", "url")
    sent = {http_method(tool.spec) for tool in tools if isinstance(tool.spec, ToolSpec)}
    if method is not None and isinstance(method.content, str) and sent and method.content.upper() not in sent:
        message = f"`{name}` sends no {shown(method.content)}: its method is {one_of(sorted(map(str, sent)))}"
        yield Diagnostic("AR907", "warning", message, method.span, None)
    url = url.get("equals") if url is not None and url.is_mapping else url
    if url is not None and isinstance(url.content, str) and "?" in url.content:
        help = "write its entries in `query: {NAME: value}`"
        yield Diagnostic("AR907", "warning", "`url` is looked at without its query", url.span, help)


RULES = (requests,)
