"""Where things stand in a test file: at its top, for all cases, in each case, and in each step of a conversation."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from agentrun.diagnostics import Span
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, items, members, text_of

ORDERED = ("exact", "in_order", "any_order")  # the lists of calls in `calls: {…}`
_OF_A_REQUEST = ("url", "body", "cwd", "stdin")


class Expected(NamedTuple):
    """An `expect`, of a case or of one of its steps."""

    case: Node
    node: Node


class Call(NamedTuple):
    """An expected call. `name` is where its tool is named; `node` is the call, None where it is a bare name."""

    tool: str
    name: Node
    node: Node | None
    case: Node


def agent_under_test(catalog: Catalog, document: Document) -> Document | None:
    """The agent under test, where it can be known."""
    if document.kind != "test":
        return None
    agent = catalog.agents.get(text_of(document.node.get("agent")) or "")
    return agent if agent is not None and agent.node.is_mapping else None


@lru_cache(maxsize=4)
def cases_of(document: Document) -> list[Node]:
    return [one for one in items(document.node.get("cases")) if one.is_mapping] if document.kind == "test" else []


@lru_cache(maxsize=4)
def sound_cases(document: Document) -> list[Node]:
    """The cases in which no error was found before the rules: what is missing there may be meant by what is wrong.

    None where an error stands before them, since what is written there holds for all.
    """
    cases = cases_of(document)
    starts = sorted({case.span.line for case in cases})
    wrong = {bisect_right(starts, one.span.line) for one in document.diagnostics if one.severity == "error"}
    return [] if 0 in wrong else [case for case in cases if bisect_right(starts, case.span.line) not in wrong]


def stubs_of(document: Document) -> Iterator[tuple[str, Span, Node]]:
    """Each stub with the name of its tool and the place of the name."""
    for above in (document.node, *cases_of(document)):
        for name, stub in members(above.get("tools")).items():
            yield name, above.key_place(("tools", name)), stub


def steps_of(case: Node) -> list[Node]:
    """The user messages of a case that has several."""
    return [one for one in items(case.get("conversation")) if one.is_mapping]


@lru_cache(maxsize=4)
def expected(document: Document) -> list[Expected]:
    """Everything that the cases of a file expect, and their steps."""
    return [
        Expected(case, node)
        for case in cases_of(document)
        for above in (case, *steps_of(case))
        if (node := above.get("expect")) is not None and node.is_mapping
    ]


@lru_cache(maxsize=4)
def expected_calls(document: Document) -> list[Call]:
    """The calls that are expected, and not those that must not be made."""
    return [call for one in expected(document) for call in calls_in(one)]


def calls_in(one: Expected) -> Iterator[Call]:
    calls = one.node.get("calls")
    lists = [calls] if calls is None or not calls.is_mapping else [calls.get(key) for key in ORDERED]
    for entry in (entry for listed in lists for entry in items(listed)):
        name = entry.get("name") if entry.is_mapping else entry
        if name is not None and isinstance(name.content, str):
            yield Call(name.content, name, entry if entry.is_mapping else None, one.case)


def values_in(one: Expected) -> Iterator[Node]:
    """Whatever says in a mapping what holds of a value: of the answer, of arguments, results and requests."""
    waiting = [one.node.get("answer"), one.node.get("system_prompt")]
    for call in calls_in(one):
        node = call.node
        if node is None:
            continue
        waiting += [*members(node.get("where")).values(), node.get("result")]
        waiting += [node.get("request", key) for key in _OF_A_REQUEST]
        for key in ("headers", "env"):
            waiting += members(node.get("request", key)).values()
    while waiting:
        value = waiting.pop()
        if value is not None and value.is_mapping:
            yield value
            waiting += [value.get("not"), *members(value.get("where")).values()]


def texts_listed(above: Node | None) -> Iterator[Node]:
    for entry in items(above):
        if isinstance(entry.content, str):
            yield entry


def is_live(document: Document, case: Node) -> bool:
    """Whether the real model is asked: as `testing.plan` decides it."""
    for holder in (case, document.node):
        live = holder.get("live")
        if live is not None and live.content is True:
            return True
        if holder.get("cassette") is not None or holder.get("model") is not None:
            return False
    return False
