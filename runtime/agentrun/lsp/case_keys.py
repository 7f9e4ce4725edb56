"""What the keys and values of a test case stand for: arguments of a tool or of a run, and what a backend knows."""

from __future__ import annotations

from typing import Any

from agentrun.lsp.view import Place
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Route

_ALWAYS = ("when", "times", "error", "delay")  # of a stub


def argument_schemas(place: Place, route: Route) -> dict[str, Any]:
    """The arguments that may stand below a route, by name, with their schemas."""
    if place.kind != "test":
        return {}
    if route[-1:] == ("args",):
        agent = place.agent()
        return declared_by(agent) if agent is not None else {}
    if route[-1:] in (("arguments",), ("where",)):
        return _of_tool(place, place.written(*route[:-1], "name"))
    return _of_tool(place, _stubbed(route)) if route[-1:] == ("when",) else {}


def keys_of_backend(place: Place, route: Route) -> tuple[str, ...] | None:
    """The keys that a stub, or an expected `request`, has for its tool; None where that is not known, or no such place.

    The rules know them; they are imported late, as all of the rules are.
    """
    from agentrun.spec.rules.case_requests import REQUEST_KEYS
    from agentrun.spec.rules.case_stubs import STUB_KEYS
    from agentrun.spec.rules.toolbox import backend

    if place.kind != "test":
        return None
    is_request = route[-1:] == ("request",)
    is_stub = _stubbed((*route, "when")) is not None
    name = place.written(*route[:-1], "name") if is_request else _stubbed((*route, "when")) if is_stub else None
    kinds = {str(backend(tool)) for tool in place.tools() if tool.name == name}
    if len(kinds) != 1:
        return None
    known = REQUEST_KEYS.get(kinds.pop()) if is_request else STUB_KEYS.get(kinds.pop())
    return known if known is None or is_request else (*known, *_ALWAYS)


def declared_by(document: Document) -> dict[str, Any]:
    from agentrun.spec.rules.parameters import declared

    return declared(document) or {}


def _of_tool(place: Place, name: str | None) -> dict[str, Any]:
    tool = next((one for one in place.tools() if one.name == name), None)
    return declared_by(tool) if tool is not None else {}


def _stubbed(route: Route) -> str | None:
    """The tool of a stub, by the route of a key of it: `tools`, the name, an index where there are several."""
    above = route[:-1]
    above = above[:-1] if above and isinstance(above[-1], int) else above
    return str(above[-1]) if above[-2:-1] == ("tools",) and len(above) in (2, 4) else None
