"""Hand-offs: the agents that an agent names in `handoffs`, and what the conversation gives them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from agentrun.diagnostics import Diagnostic, Fix, Related, did_you_mean, one_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import remove_item, write_name
from agentrun.spec.function_names import handoff_name
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, items, text_of, texts
from agentrun.spec.rules.parameters import declared, has_default
from agentrun.templates import template_of


def unknown_agents(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for entry, name in _named(document):
        if name in catalog.agents or catalog.may_be_unread("agent", name):
            continue
        if any(base.kind == "agent" and base.name == name for base in catalog.bases):
            yield _error("AR402", f"`{name}` is a base: it is used through `extends` only", entry, None)
            continue
        others = sorted(catalog.agents.keys() - {document.name})
        known = f"agents: {one_of(others)}" if others else "this project has no other agents"
        help = f"`{name}` is a tool: list it in `tools`" if name in catalog.tools else did_you_mean(name, others, known)
        fix = None if name in catalog.tools else write_name(entry, others)
        yield _error("AR402", f"there is no agent `{name}`", entry, help, fix=fix)


def agents_listed_twice(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    first: dict[str, Node] = {}
    listed = document.node.get("handoffs")
    for index, entry in enumerate(items(listed)) if document.kind == "agent" else ():
        name = text_of(entry)
        if listed is None or name is None:
            continue
        if name in first:
            related = (Related("first listed here", first[name].span),)
            fix = remove_item(catalog.texts, listed, index, f"remove the second `{name}`", safe=True)
            yield _error("AR410", f"the agent `{name}` is listed twice", entry, "remove one", related, fix)
        first.setdefault(name, entry)


def agents_that_hand_over_to_themselves(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Not where the list is a base's, for several agents: then each hands over to the others."""
    for entry, name in _named(document):
        if name == document.name and entry.span.file == document.path:
            help = "an agent that has the conversation just goes on: leave it out"
            yield _error("AR416", f"the agent `{name}` hands over to itself", entry, help)


def functions_of_one_name(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Of different agents: a name that is too long for a function is cut, and may then be another's."""
    first: dict[str, tuple[Node, str]] = {}
    for entry, name in _named(document):
        before, other = first.setdefault(handoff_name(name), (entry, name))
        if other != name:
            related = (Related(f"`{other}` is listed here", before.span),)
            message = f"the hand-offs to `{other}` and `{name}` would be one function, `{handoff_name(name)}`"
            yield _error("AR413", message, entry, "give one of the agents a shorter name", related)


def arguments_that_nothing_gives(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """What an agent requires must come from the arguments of the one that hands over to it, or be a default of its own.

    What only its `input` uses is not needed: the conversation takes its place.
    """
    given = declared(document)
    if document.kind != "agent" or given is None or not document.complete:
        return
    for entry, name in _named(document):
        called = catalog.agents.get(name)
        if called is None or called is document or not called.complete:
            continue
        for argument in _needed(called):
            message = f"the agent `{name}` requires `{argument}`, which "
            if argument not in given:
                help = f"declare `{argument}` in this agent's `parameters`, or give it a `default` in those of `{name}`"
                yield _error(
                    "AR412", f"{message}this agent doesn't declare", entry, help, _declared_at(called, argument)
                )
            elif not _is_sure(document, given, argument):
                help = f"add `{argument}` to `required`, or give it a `default`"
                message = f"{message}a run of this agent may leave out"
                yield Diagnostic("AR412", "warning", message, entry.span, help, _declared_at(called, argument))


def _named(document: Document) -> Iterator[tuple[Node, str]]:
    for entry in items(document.node.get("handoffs")) if document.kind == "agent" else ():
        name = text_of(entry)
        if name is not None:
            yield entry, name


@lru_cache(maxsize=64)
def _needed(agent: Document) -> tuple[str, ...]:
    """The required arguments without a default that a conversation doesn't take the place of."""
    properties = declared(agent)
    if properties is None or misspelt(agent.node, "parameters"):
        return ()
    by_input, by_prompt = _used(agent, "input", "{{ args.input }}"), _used(agent, "system_prompt", "")
    return tuple(
        name
        for name in _required(agent)
        if name in properties and not has_default(properties[name]) and (name in by_prompt or name not in by_input)
    )


def _used(agent: Document, key: str, otherwise: str) -> frozenset[str]:
    written = agent.node.get(key)
    text = otherwise if written is None else written.content
    template = template_of(text) if isinstance(text, str) else None
    return template.args if template is not None else frozenset()


def _required(agent: Document) -> list[str]:
    schema = agent.node.get("parameters")
    return ["input"] if schema is None else texts(schema.get("required"))


def _is_sure(agent: Document, properties: dict[str, Any], name: str) -> bool:
    return name in _required(agent) or has_default(properties[name])


def _declared_at(agent: Document, name: str) -> tuple[Related, ...]:
    schema = agent.node.get("parameters")
    if schema is None:
        return ()
    return (Related(f"`{name}` is declared here", schema.key_place(("properties", name))),)


def _error(
    code: str, message: str, node: Node, help: str | None, related: tuple[Related, ...] = (), fix: Fix | None = None
) -> Diagnostic:
    return Diagnostic(code, "error", message, node.span, help, related, fix)


RULES = (
    unknown_agents,
    agents_listed_twice,
    agents_that_hand_over_to_themselves,
    functions_of_one_name,
    arguments_that_nothing_gives,
)
