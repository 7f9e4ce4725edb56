"""/commands that change what was said: forget it, take it back, say it again, shorten it."""

from __future__ import annotations

from agentrun.cli.talk.command import Command
from agentrun.cli.talk.talk import Talk


async def _clear(talk: Talk, rest: str) -> None:
    talk.begin_anew()
    talk.say("a new conversation", "dim")


COMMANDS = (Command("clear", "", "forget the conversation and begin a new one", _clear, aliases=("reset",)),)
