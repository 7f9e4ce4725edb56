"""The arguments of calls with their defaults, also of those that are not made: refused ones, say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentrun.engine.agent import Agent
from agentrun.testing.observed import FillIn
from agentrun.testing.stage import StagedTool
from agentrun.tools.agent import AgentTool


def defaults_of(agent: Agent) -> FillIn:
    """Of the tools of an agent, of those behind its tools, and of those that it may hand over to."""
    agents = {one.name: one for one in agents_reached(agent, set())}

    def fill_in(name: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        bound = agents[name].tools.get(tool) if name in agents else None
        if bound is None:
            return arguments
        filled: dict[str, Any] = bound.check.with_defaults(arguments)
        return filled

    return fill_in


def agents_reached(agent: Agent, seen: set[str]) -> Iterator[Agent]:
    """The agent and all that may speak or be called in its runs, but for those that were `seen`."""
    if agent.name in seen:
        return
    seen.add(agent.name)
    yield agent
    for other in agent.peers.values():
        yield from agents_reached(other, seen)
    for tool in agent.tools.values():
        backend = tool.backend.backend if isinstance(tool.backend, StagedTool) else tool.backend
        if isinstance(backend, AgentTool):
            yield from agents_reached(backend.agent, seen)
