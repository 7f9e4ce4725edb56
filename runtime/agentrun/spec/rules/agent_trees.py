"""Agents that run each other as tools: ways that lead back to where they began, and rows that are too long."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import msgspec

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, texts
from agentrun.spec.types import LimitsSpec

MAX_AGENTS = 200  # that are looked at for a way back from each agent
_MAX_NAMES = 12  # of a row that are told


def agents_in_a_circle(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """The shortest way from an agent back to it; told at the agent of the circle whose name sorts first."""
    if document.kind != "agent":
        return
    ways: dict[str, tuple[str, ...]] = {document.name: (document.name,)}
    waiting = [document]
    for agent in islice(waiting, MAX_AGENTS):
        for called in _calls(catalog, agent):
            name = str(called.content)
            if name == document.name:
                circle = ways[agent.name]
                if document.name == min(circle):
                    message = f"agents call each other in a circle: {' → '.join([*circle, name])}"
                    help = "an agent's tools must not lead back to it"
                    yield Diagnostic("AR405", "error", message, called.span, help)
                return
            if name not in ways:
                ways[name] = (*ways[agent.name], name)
                waiting.append(catalog.agents[name])


class _Step(msgspec.Struct, frozen=True, eq=False):
    """An agent on a way through tools and hand-offs. `tool` is where the first tool of the way names its agent;
    `runs` are the agents on it that run others as tools.
    """

    agent: Document
    tool: Node
    runs: tuple[str, ...]
    told: str
    was_handed_over: bool = False


def circles_through_handoffs(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """The shortest way from a tool of an agent back to it, where the agent that it runs hands its conversation over on
    the way; told at the agent of the circle that runs others whose name sorts first. Hand-offs alone may form circles.
    """
    if document.kind != "agent":
        return
    own = document.name
    waiting = [_ran(catalog, called, own) for called in _calls(catalog, document) if called.content != own]
    seen = {(one.agent.name, one.was_handed_over) for one in waiting}
    for step in islice(waiting, MAX_AGENTS):
        for following in _following(catalog, step):
            name = following.agent.name
            if name == own and following.was_handed_over:
                if own == min(following.runs):
                    yield _led_back(following, own)
                return
            if name != own and (name, following.was_handed_over) not in seen:
                seen.add((name, following.was_handed_over))
                waiting.append(following)


def _ran(catalog: Catalog, called: Node, agent: str) -> _Step:
    name = str(called.content)
    return _Step(catalog.agents[name], called, (agent,), f"{agent} → {name}")


def _following(catalog: Catalog, step: _Step) -> Iterator[_Step]:
    """Where an agent's tools lead, and its hand-offs."""
    agent = step.agent
    for called in _calls(catalog, agent):
        name = str(called.content)
        runs, told = (*step.runs, agent.name), f"{step.told} → {name}"
        yield _Step(catalog.agents[name], step.tool, runs, told, step.was_handed_over)
    for name in texts(agent.node.get("handoffs")):
        if name in catalog.agents and name != agent.name:
            told = f"{step.told}, which hands over to {name}"
            yield _Step(catalog.agents[name], step.tool, step.runs, told, was_handed_over=True)


def _led_back(step: _Step, agent: str) -> Diagnostic:
    message = f"what this tool runs may come back to `{agent}`, which waits for it: {step.told}"
    help = "a call that would run an agent again that is at work above is refused: leave out the tool, or the hand-off"
    return Diagnostic("AR431", "warning", message, step.tool.span, help)


def rows_that_are_too_long(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Agents below an agent that its `max_depth` doesn't let run. Of a row in which that holds of several it is told at
    the first, and where somebody wrote the limit.
    """
    if document.kind != "agent":
        return
    written = document.node.get("limits", "max_depth")
    most = LimitsSpec().max_depth if written is None else written.content
    rows = _longest_rows(catalog)
    below = rows.below.get(document.name)
    if not isinstance(most, int) or below is None or below <= most:
        return
    if written is None and document.name in rows.called:
        return
    names = [document.name]
    while (following := rows.following.get(names[-1])) is not None:
        names.append(following)
    told = " → ".join(names[:_MAX_NAMES]) + (" → …" if len(names) > _MAX_NAMES else "")
    message = f"agents run {below} deep as tools, and `limits.max_depth` is {most}: {told}"
    help = f"a call that would run `{names[most + 1]}` is refused: raise the limit, or let one agent do the work of two"
    first = next(one for one in _calls(catalog, document) if one.content == names[1])
    yield Diagnostic("AR430", "warning", message, (written or first).span, help)


class _Rows(msgspec.Struct, frozen=True):
    """Of each agent how many run below it as tools at most; None: a circle does. And who follows in that row."""

    below: dict[str, int | None]
    following: dict[str, str]
    called: frozenset[str]


@lru_cache(maxsize=1)
def _longest_rows(catalog: Catalog) -> _Rows:
    calls = {
        name: list(dict.fromkeys(str(one.content) for one in _calls(catalog, agent)))
        for name, agent in catalog.agents.items()
    }
    below: dict[str, int | None] = {}
    following: dict[str, str] = {}
    for start in calls:
        waiting = [(start, False)]  # without recursion: a row may have thousands of agents
        while waiting:
            name, is_done = waiting.pop()
            if is_done:
                found = [(one, below[one]) for one in calls[name]]
                depths = {one: depth + 1 for one, depth in found if depth is not None}
                below[name] = max(depths.values(), default=0) if len(depths) == len(found) else None
                if depths:
                    following[name] = max(depths, key=lambda one: depths[one])
            elif name not in below:
                below[name] = None  # while it is looked at: whoever leads back to it is in a circle
                waiting.append((name, True))
                waiting += [(one, False) for one in reversed(calls[name]) if one not in below]
    return _Rows(below, following, frozenset(one for those in calls.values() for one in those))


def _calls(catalog: Catalog, agent: Document) -> Iterator[Node]:
    """Where an agent's tools name agents that exist."""
    for tool in catalog.tools_of(agent):
        if tool.called_agent in catalog.agents:
            yield tool.node.content["agent"]


RULES = (agents_in_a_circle, circles_through_handoffs, rows_that_are_too_long)
