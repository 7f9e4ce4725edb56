"""Hand-offs: what an agent is given that takes a conversation over, and what becomes of the messages.

The model hands over by a call of `transfer_to_NAME`. When it is acted on is the loop's matter. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from agentrun.engine.agent import Agent
from agentrun.engine.messages import PROMPT_ROLES, Message, system
from agentrun.engine.ports import RunInfo
from agentrun.errors import ToolFailure, UsageError

PREFIX = "transfer_to_"


class Takeover(msgspec.Struct, frozen=True, eq=False):
    """The agent that takes the conversation over, with its arguments and its rendered system prompt."""

    agent: Agent
    arguments: dict[str, Any]
    prompt: str | None

    @property
    def result(self) -> dict[str, str]:
        """What the call gives: who speaks from here on."""
        return {"assistant": self.agent.name}


def takeover(agent: Agent, known: Mapping[str, Any], run: RunInfo) -> Takeover:
    """What an agent goes on with to which a model hands over. Raises `ToolFailure` where it can't."""
    try:
        return going_on(agent, known, run)
    except UsageError as error:
        why = f"the agent `{agent.name}` can't take over: {error.message}"
        raise ToolFailure("invalid_arguments", why) from None


def going_on(agent: Agent, known: Mapping[str, Any], run: RunInfo) -> Takeover:
    """Gives an agent the arguments that it declares, else its defaults.

    What only its `input` uses may be missing: the conversation takes its place. Raises `UsageError` where the agent
    can't go on with what there is.
    """
    declared: Mapping[str, Any] = agent.parameters.get("properties") or {}
    given = {name: value for name, value in known.items() if name in declared}
    arguments: dict[str, Any] = agent.arguments.with_defaults(given)
    missing = sorted(agent.prompt_arguments - arguments.keys())
    if missing:
        raise UsageError(f"its system prompt needs the argument `{missing[0]}`, which this conversation lacks")
    broken = [one for one in agent.arguments.violations(arguments) if one.path]  # without: one that is missing
    if broken:
        raise UsageError("; ".join(f"{one.path}: {one.message}" for one in broken))
    prompt = agent.prompt and agent.prompt(arguments, msgspec.structs.replace(run, agent=agent.name))
    return Takeover(agent, arguments, prompt)


def put_prompt(messages: list[Message], prompt: str | None) -> None:
    """The system prompt in the place of the one before, or none."""
    before = 1 if messages and messages[0].role in PROMPT_ROLES else 0
    messages[:before] = [] if prompt is None else [system(prompt)]


def prompt_arguments(agent: Agent) -> dict[str, Agent]:
    """What the prompts of a conversation need that begins with this agent, each with the agent that needs it."""
    found = dict.fromkeys(sorted(agent.prompt_arguments), agent)
    for other in handed_to(agent):
        found |= dict.fromkeys(sorted(other.prompt_arguments - found.keys()), other)
    return found


def handed_to(agent: Agent) -> list[Agent]:
    """The other agents that a conversation with this one may come to."""
    found = {agent.name: agent}
    waiting = [agent]
    for one in waiting:
        new = [tool.hands_to for tool in one.handoffs.values() if tool.hands_to and tool.hands_to not in found]
        for name in new:
            found[name] = agent.peers[name]
            waiting.append(agent.peers[name])
    return waiting[1:]
