"""Names that must mean something: tools, agents, sets of tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from agentrun.diagnostics import Diagnostic, Fix, Related, did_you_mean, one_of
from agentrun.spec.catalog import Catalog, Document, is_glob
from agentrun.spec.edits import remove_item, write_name
from agentrun.spec.function_names import HANDOFF_PREFIX, RESERVED
from agentrun.spec.nodes import Node, items, text_of
from agentrun.spec.spelling import fold
from agentrun.spec.types import NAME_PATTERN


def unknown_tools(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "agent":
        return
    for index, entry in enumerate(items(document.node.get("tools"))):
        if index in document.inline or not isinstance(entry.content, str) or catalog.matching(entry.content):
            continue
        name = entry.content
        is_told_there = catalog.may_be_unread("tool", name) or fold(name) in _names_that_are_none(catalog)
        if is_told_there or _in_a_set(catalog, name):
            continue
        members = catalog.members_near(name)
        if is_glob(name):
            known = f"its functions: {one_of(members)}" if members else _known_tools(catalog)
            yield _error("AR407", f"the glob `{name}` matches no tool", entry, did_you_mean(name, members, known))
        elif members:
            help = did_you_mean(name, members, f"its functions: {one_of(members)}")
            yield _error("AR401", f"there is no tool `{name}`", entry, help, write_name(entry, members))
        elif name.startswith("_"):
            yield _error("AR401", f"`{name}` is a base: it is used through `extends` only", entry, None)
        else:
            elsewhere = _what_it_is(catalog, name)
            help = elsewhere or did_you_mean(name, catalog.tools, _known_tools(catalog))
            fix = None if elsewhere else write_name(entry, catalog.tools)
            yield _error("AR401", f"there is no tool `{name}`", entry, help, fix)


def _what_it_is(catalog: Catalog, name: str) -> str | None:
    """Help about a name that stands for something else: an agent, or several tools."""
    if name in catalog.agents:
        return f"`{name}` is an agent: write `- agent: {name}`"
    parts = names_in(name)
    if len(parts) > 1 and all(catalog.matching(part) for part in parts):
        return f"these are {len(parts)} tools: give each a `-` of its own at the same indentation, or commas in `[…]`"
    return None


def names_in(entry: str) -> list[str]:
    """The names in what was read as one: `find_order - refund_order`."""
    return [part for part in entry.replace(",", " ").split() if part != "-"]


def tools_listed_twice(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "agent":
        return
    first: dict[str, Node] = {}
    for index, entry in enumerate(items(document.node.get("tools"))):
        if not isinstance(entry.content, str) or is_glob(entry.content):
            continue
        if entry.content in first:
            related = Related("first listed here", first[entry.content].span)
            message = f"the tool `{entry.content}` is listed twice"
            help = "remove one, or give it a `name`"
            fix = _without(catalog, document, index, entry.content) if first[entry.content].source else None
            yield Diagnostic("AR410", "error", message, entry.span, help, (related,), fix)
        first.setdefault(entry.content, entry)


def _without(catalog: Catalog, document: Document, index: int, name: str) -> Fix | None:
    """An inline tool is not taken out: it says more than its name."""
    if index in document.inline:
        return None
    return remove_item(catalog.texts, document.node.content["tools"], index, f"remove the second `{name}`", safe=True)


def unknown_agents(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Those behind a tool, and those under test: `handoffs` are a family of their own."""
    entry = document.node.get("agent") if document.kind != "agent" else None
    name = text_of(entry)
    if entry is None or name is None or name in catalog.agents or catalog.may_be_unread("agent", name):
        return
    if any(base.kind == "agent" and base.name == name for base in catalog.bases):
        yield _error("AR402", f"`{name}` is a base: it is used through `extends` only", entry, None)
    else:
        known = f"agents: {one_of(sorted(catalog.agents))}" if catalog.agents else "this project has no agents"
        help = did_you_mean(name, catalog.agents, known)
        yield _error("AR402", f"there is no agent `{name}`", entry, help, write_name(entry, catalog.agents))


def reserved_names(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind == "tool" and (document.name in RESERVED or document.name.startswith(HANDOFF_PREFIX)):
        place = document.node.get("name") or document.node
        message = f"the name `{document.name}` is reserved"
        yield _error("AR409", message, place, "`search_tools` and `transfer_to_…` are made by agentrun")


@lru_cache(maxsize=1)
def _names_that_are_none(catalog: Catalog) -> frozenset[str]:
    """What tools are called that no tool can be called, folded: a number, a name with a space. It has its finding."""
    written = [one.content for tool in catalog.tools.values() if (one := tool.node.get("name")) is not None]
    return frozenset(
        fold(str(one)) for one in written if not isinstance(one, str) or not re.fullmatch(NAME_PATTERN, one)
    )


def _in_a_set(catalog: Catalog, name: str) -> bool:
    """Whether a name may be a member of an mcp or openapi set: those are known online only."""
    return catalog.may_be_a_member(name)


def _known_tools(catalog: Catalog) -> str:
    return f"tools: {one_of(sorted(catalog.tools))}" if catalog.tools else "this project has no tools: see `tools.d/`"


def _error(code: str, message: str, node: Node, help: str | None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, node.span, help, fix=fix)


RULES = (unknown_tools, tools_listed_twice, unknown_agents, reserved_names)
