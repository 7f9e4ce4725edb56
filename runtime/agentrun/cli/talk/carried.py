"""The functions that go with a conversation: what its agent can call now, and what a request carried of them."""

from __future__ import annotations

from agentrun.cli.talk.talk import Talk
from agentrun.engine.messages import ToolList
from agentrun.engine.ports import DirectJournal
from agentrun.engine.toolkit import Toolkit, equip


async def equipped(talk: Talk) -> Toolkit:
    """What the agent can call. The servers of its sets are started for that, as a message would start them, unless the
    conversation is played.

    Raises `ToolsError` where they can't be had.
    """
    agent = talk.agent
    if agent.sets and not talk.loader.is_played:
        talk.say(f"asking {', '.join(one.name for one in agent.sets)} for the tools …", "dim")
    played = talk.taping.journal if talk.loader.is_played else None
    return await equip(agent, played or DirectJournal())


def last_carried(talk: Talk) -> ToolList:
    """What requests of the agent carry, as far as that is known without asking a server."""
    agent = talk.agent
    if agent.sets or agent.search is not None:
        heard = None if talk.heard is None else talk.heard.carried
        return agent.tool_list if heard is None else heard
    return agent.tool_list
