"""Where names of tools and agents stand, and what they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from agentrun.diagnostics import Span
from agentrun.lsp.outline import Token
from agentrun.lsp.view import RULE_KEYS, Place, View
from agentrun.spec.catalog import Document
from agentrun.spec.function_names import HANDOFF_PREFIX, handoff_name
from agentrun.spec.nodes import Route
from agentrun.spec.rules.case_places import ORDERED

Named = Literal["tool", "agent", "base"]


class Name(msgspec.Struct, frozen=True):
    """A name in a text and the documents that it stands for; a glob stands for several."""

    text: str
    start: int
    end: int
    documents: list[Document]


def named_at(place: Place, role: str) -> Named | None:
    """What the name of a route is the name of."""
    pattern = tuple("*" if isinstance(step, int) else step for step in place.route)
    if role == "key":
        return "tool" if place.kind == "test" and _is_tool_key(pattern) else None
    return _NAMES.get((place.kind, pattern)) or (_in_test(pattern) if place.kind == "test" else None)


_NAMES: dict[tuple[str, Route], Named] = {
    ("agent", ("tools", "*")): "tool",
    ("agent", ("handoffs", "*")): "agent",
    **{("agent", ("permissions", "*", key)): "tool" for key in RULE_KEYS},
    ("agent", ("tool_choice",)): "tool",
    ("agent", ("tool_search", "pinned", "*")): "tool",
    ("agent", ("extends",)): "base",
    ("tool", ("agent",)): "agent",
    ("tool", ("extends",)): "base",
    ("test", ("agent",)): "agent",
}


_EXPECT: tuple[Route, ...] = (("cases", "*", "expect"), ("cases", "*", "conversation", "*", "expect"))
_LISTS = ("calls", *ORDERED)


def expected_at(pattern: Route) -> Route | None:
    """A route within what a test expects, without the way there; `*` stands for every index."""
    return next((pattern[len(above) :] for above in _EXPECT if pattern[: len(above)] == above), None)


def _is_tool_key(pattern: Route) -> bool:
    """Whether a key names a tool: a stub, a refused one, one whose calls are counted."""
    is_above = pattern[:-2] in ((), ("cases", "*")) and pattern[-2:-1] in (("tools",), ("refuse",))
    within = expected_at(pattern)
    return is_above or (within is not None and within[:-1] == ("calls", "count"))


def _in_test(pattern: Route) -> Named | None:
    within = expected_at(pattern)
    if within is None:
        is_call = pattern[-1:] == ("name",) and pattern[-3:-2] == ("tool_calls",)
        is_answered = pattern[-2:] in (("approve", "*"), ("refuse", "*")) and pattern[:-2] in ((), ("cases", "*"))
        return "tool" if is_call or is_answered else None
    if within == ("agent",):
        return "agent"
    is_entry = within[-1:] == ("*",) and within[-2:-1] in {(key,) for key in (*_LISTS, "never", "same_turn")}
    is_part = within[-2:-1] == ("*",) and within[-1] in ("name", "before", "after")
    is_call = within[:1] == ("calls",) and (is_entry or (is_part and within[-3] in _LISTS))
    return "tool" if is_call or within == ("approvals", "*") else None


def name_at(view: View, token: Token) -> Name | None:
    """The name that a token is, with what it stands for."""
    place = view.place(token)
    named = named_at(place, token.role)
    if named is None:
        return None
    written = view.text[token.start : token.end]
    text = written.strip().strip("\"'")
    start = token.start + written.find(text)
    return Name(text, start, start + len(text), documents_named(place, named, text)) if text else None


def documents_named(place: Place, named: Named, name: str) -> list[Document]:
    catalog = place.catalog
    if named == "agent":
        return [catalog.agents[name]] if name in catalog.agents else []
    if named == "base":
        others = catalog.agents if place.kind == "agent" else catalog.tools
        bases = [one for one in catalog.bases if one.kind == place.kind and one.name == name]
        return bases or ([others[name]] if name in others else [])
    if name.startswith(HANDOFF_PREFIX):
        return [one for one in catalog.agents.values() if handoff_name(one.name) == name]
    agent = place.agent()
    inline = list(agent.inline.values()) if agent is not None else []
    return [one for one in inline if one.name == name] or catalog.matching(name)


def bases_for(place: Place) -> list[Document]:
    """What `extends` may name: bases first. Not the file itself."""
    others = place.catalog.agents if place.kind == "agent" else place.catalog.tools
    found = [*(one for one in place.catalog.bases if one.kind == place.kind), *others.values()]
    own = place.document.name if place.document is not None and place.document.path == _path(place) else None
    return [one for one in found if one.name != own or one.path != _path(place)]


def _path(place: Place) -> str:
    return place.around.path if place.around is not None else ""


def home(document: Document) -> Span:
    """Where a document gives its name, or begins."""
    name = document.node.get("name") if document.node.is_mapping else None
    if name is not None and name.span.file == document.path:
        return name.span
    return Span(document.path, document.node.span.line, 1, document.node.span.line, 1)


def whole_path(shown: str) -> Path:
    """Findings name files relative to the current folder."""
    return Path(os.path.abspath(shown))  # noqa: PTH100 - follows no link
