"""Names that are too much alike, and agents whose tools don't give them what they need.

What is made of names is not looked at: agents have their finding, and sets, with `<set>_<tool>`, are not available in
this version.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from agentrun.diagnostics import Diagnostic, Related, Span, did_you_mean, nearest, one_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, members, name_place, texts
from agentrun.spec.rules.parameters import declared, has_default
from agentrun.spec.rules.toolbox import HIDING, entry_of
from agentrun.spec.spelling import fold


def tools_that_are_alike(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Names of one agent's tools that differ in case, `-` and `_` only."""
    if document.kind != "agent":
        return
    first: dict[str, Document] = {}
    for tool in catalog.tools_of(document):
        other = first.setdefault(fold(tool.name), tool)
        if other is not tool:
            place, before = entry_of(document, tool).span, entry_of(document, other).span
            related = [Related(f"`{other.name}` is listed here", before)] if before != place else []
            if tool.path != document.path:
                related.append(Related(f"`{tool.name}` is defined here", name_place(tool.node)))
            if other.path != document.path:
                related.append(Related(f"`{other.name}` is defined here", name_place(other.node)))
            message = f"the tools `{other.name}` and `{tool.name}` of this agent have nearly the same name"
            help = "a model mixes them up: name them after what tells them apart"
            yield Diagnostic("AR411", "warning", message, place, help, tuple(related))


def agents_that_are_alike(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Told at each agent but the first of them by name."""
    if document.kind != "agent" or document.name not in catalog.agents:
        return
    first = catalog.agents[_first_names(tuple(catalog.agents))[fold(document.name)]]
    if first is not document:
        related = (Related(f"`{first.name}` is defined here", name_place(first.node)),)
        message = f"the agents `{first.name}` and `{document.name}` have nearly the same name"
        help = "who calls them mixes them up: name them after what tells them apart"
        yield Diagnostic("AR411", "warning", message, name_place(document.node), help, related)


@lru_cache(maxsize=1)
def _first_names(names: tuple[str, ...]) -> dict[str, str]:
    """The first name in order for each folded one."""
    return {fold(name): name for name in sorted(names, reverse=True)}


def arguments_of_an_agent(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A tool with parameters of its own must give the agent that it runs what that agent requires."""
    called = catalog.agents.get(document.called_agent or "")
    own = document.node.get("parameters")
    if document.kind != "tool" or called is None or own is None or not _is_plain(own):
        return
    given, taken = declared(document), declared(called)
    if given is None or taken is None or not called.complete or misspelt(called.node, "parameters"):
        return
    needed = [name for name in _required(called) if name in taken and not has_default(taken[name])]
    strangers = [name for name in given if name not in taken]
    for name in [name for name in needed if name not in given]:
        meant = nearest(name, strangers)
        message = f"the agent `{called.name}` requires `{name}`, which "
        if meant is not None:
            strangers.remove(meant)
            place, help = own.key_place(("properties", meant)), f"did you mean `{name}`?"
            yield _error("AR412", f"{message}this tool calls `{meant}`", place, help, _related(called, name))
        else:
            key = ("properties",) if own.get("properties") is not None else ()
            place = own.key_place(key) if key else document.node.key_place(("parameters",))
            help = "declare it, or leave `parameters` out: they default to the agent's"
            yield _error("AR412", f"{message}these parameters don't declare", place, help, _related(called, name))
    for name in [name for name in needed if name in given and not _is_sure(own, given, name)]:
        message = f"the agent `{called.name}` requires `{name}`, which a call of this tool may leave out"
        place, help = own.key_place(("properties", name)), f"add `{name}` to `required`, or give it a `default`"
        yield Diagnostic("AR412", "warning", message, place, help, _related(called, name))
    if _is_closed(called):
        for name in strangers:
            allowed = did_you_mean(
                name, taken, f"its parameters: {one_of(sorted(taken))}" if taken else "it takes none"
            )
            message = f"the agent `{called.name}` takes no `{name}`: a call with it fails"
            yield _error("AR412", message, own.key_place(("properties", name)), allowed)


def _is_plain(schema: Node) -> bool:
    """Whether its properties are all that a schema says of its members."""
    return schema.is_mapping and not any(key in schema.content for key in HIDING)


def _is_sure(schema: Node, properties: dict[str, Any], name: str) -> bool:
    return name in texts(schema.get("required")) or has_default(properties[name])


def _required(agent: Document) -> list[str]:
    schema = agent.node.get("parameters")
    return ["input"] if schema is None else texts(schema.get("required"))


def _is_closed(agent: Document) -> bool:
    schema = agent.node.get("parameters")
    closed = members(schema).get("additionalProperties")
    return schema is not None and _is_plain(schema) and closed is not None and closed.content is False


def _related(agent: Document, name: str) -> tuple[Related, ...]:
    schema = agent.node.get("parameters")
    if schema is None:
        return ()
    return (Related(f"`{name}` is declared here", schema.key_place(("properties", name))),)


def _error(code: str, message: str, place: Span, help: str | None, related: tuple[Related, ...] = ()) -> Diagnostic:
    return Diagnostic(code, "error", message, place, help, related)


RULES = (tools_that_are_alike, agents_that_are_alike, arguments_of_an_agent)
