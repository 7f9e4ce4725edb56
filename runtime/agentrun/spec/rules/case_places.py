"""Where things stand in a test file: at its top, for all cases, and in each case."""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Span
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, items, members, text_of


def agent_under_test(catalog: Catalog, document: Document) -> Document | None:
    """The agent under test, where it can be known."""
    if document.kind != "test":
        return None
    agent = catalog.agents.get(text_of(document.node.get("agent")) or "")
    return agent if agent is not None and agent.node.is_mapping else None


def cases_of(document: Document) -> list[Node]:
    return [one for one in items(document.node.get("cases")) if one.is_mapping] if document.kind == "test" else []


def stubs_of(document: Document) -> Iterator[tuple[str, Span, Node]]:
    """Each stub with the name of its tool and the place of the name."""
    for above in (document.node, *cases_of(document)):
        for name, stub in members(above.get("tools")).items():
            yield name, above.key_place(("tools", name)), stub


def expected_calls(document: Document) -> Iterator[tuple[str, Node, Node]]:
    """Each expected call with the name of its tool."""
    for case in cases_of(document):
        for call in items(case.get("expect", "calls")):
            name = call.get("name")
            if name is not None and isinstance(name.content, str):
                yield name.content, name, call


def approved_tools(document: Document) -> Iterator[tuple[str, Node]]:
    for above in (document.node, *cases_of(document)):
        for entry in items(above.get("approve")):
            if isinstance(entry.content, str) and entry.content != "*":
                yield entry.content, entry


def expected_answers(document: Document) -> Iterator[Node]:
    """What each case expects of its answer, and what it expects not."""
    for case in cases_of(document):
        answer = case.get("expect", "answer")
        while answer is not None and answer.is_mapping:
            yield answer
            answer = answer.get("not")
