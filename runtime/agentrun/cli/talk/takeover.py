"""Who has a conversation from here on: another agent, other arguments, or the same agent read anew.

Everything is settled before anything changes: what is refused leaves the conversation as it was.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from typing import Any

from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import counted
from agentrun.engine.agent import Agent
from agentrun.engine.handoff import Takeover, going_on, put_prompt
from agentrun.engine.ports import RunInfo


def prepared(
    talk: Talk, agent: Agent, *, arguments: Mapping[str, Any] | None = None, first: Agent | None = None
) -> Takeover:
    """An agent with its arguments and its system prompt as they are now. Raises `UsageError` where it lacks one.

    `arguments` and `first` stand for those of the conversation.
    """
    date = talk.taping.date or datetime.date.today().isoformat()
    run = RunInfo(secrets.token_hex(8), date, agent.name, talk.keeper.session)
    given = talk.arguments if arguments is None else arguments
    return going_on(agent, (first or talk.first).arguments.with_defaults(dict(given)), run)


def prompt_of(talk: Talk, agent: Agent) -> str | None:
    return prepared(talk, agent).prompt


def go_on(talk: Talk, taken: Takeover, *, by: str) -> None:
    """The conversation goes on with this agent and this prompt; what was said stays. `by` is the command."""
    talk.agent = taken.agent
    talk.taping.begins_with(taken.agent, talk.arguments)
    if talk.heard is not None:
        talk.heard.changed(f"it went on by {by}")
    if talk.messages:  # else the first message begins with it
        put_prompt(talk.messages, taken.prompt)
    talk.keeper.sync()


def conversants(talk: Talk) -> list[Agent]:
    """The agents that the conversation may come to; who has it comes first."""
    found = {one.name: one for one in (talk.agent, talk.first, *talk.first.peers.values())}
    return list(found.values())


def functions_of(agent: Agent) -> str:
    """How many the model can call."""
    handoffs = [counted(len(agent.handoffs), "hand-off")] if agent.handoffs else []
    return ", ".join([tools_of(agent), *handoffs])


def tools_of(agent: Agent) -> str:
    """How many tools there are. Those of a server are known once it was asked: they are told by its name."""
    sets = [f"those of {one.name}" for one in agent.sets]
    own = [counted(len(agent.tools), "tool")] if agent.tools or not sets else []
    return " and ".join([*own, *sets]) if own else f"the tools of {', '.join(one.name for one in agent.sets)}"
