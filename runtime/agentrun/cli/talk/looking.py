"""/commands that show something: of the agent, of what happened, of what it cost."""

from __future__ import annotations

from agentrun.cli.talk.command import Command
from agentrun.cli.talk.talk import Talk


async def _tools(talk: Talk, rest: str) -> None:
    agent = talk.agent
    if not agent.tools and not agent.handoffs:
        talk.say("this agent has no tools", "dim")
    for tool in (*agent.tools.values(), *agent.handoffs.values()):
        kind = "hands over" if tool.hands_to else "reads" if tool.read_only else "changes things"
        talk.say(f"  {tool.name} ({kind}): {tool.function.description}")


COMMANDS = (Command("tools", "", "what the agent can call", _tools),)
