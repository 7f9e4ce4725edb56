"""The agents that a run may lead to, and the defaults of their tools: also for calls that are not made, but refused."""

from __future__ import annotations

from typing import Any

from agentrun.engine.agent import Agent, BoundTool
from agentrun.testing.observed import FillIn
from agentrun.testing.stage import StagedTool
from agentrun.tools.agent import AgentTool


def agents_reached(agent: Agent) -> list[Agent]:
    """The agent, those behind its tools, and those that it may hand over to; with theirs, each once."""
    found: dict[str, Agent] = {}
    waiting = [agent]
    for one in waiting:
        if one.name not in found:
            found[one.name] = one
            waiting += [behind for tool in one.tools.values() if (behind := _agent_behind(tool)) is not None]
            waiting += [one.peers[tool.hands_to] for tool in one.handoffs.values() if tool.hands_to is not None]
    return list(found.values())


def _agent_behind(tool: BoundTool) -> Agent | None:
    backend = tool.backend.backend if isinstance(tool.backend, StagedTool) else tool.backend
    if not isinstance(backend, AgentTool):
        return None
    agent: Agent = backend.agent
    return agent


def defaults_of(agent: Agent) -> FillIn:
    """What fills in the arguments of the calls of a run."""
    agents = {one.name: one for one in agents_reached(agent)}

    def fill_in(name: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        bound = agents[name].tools.get(tool) if name in agents else None
        if bound is None:
            return arguments
        filled: dict[str, Any] = bound.check.with_defaults(arguments)
        return filled

    return fill_in
