"""/commands that change who speaks from here on: the model, the agent, its arguments, its files."""

from __future__ import annotations

from agentrun.cli.talk.command import Command
from agentrun.cli.talk.talk import Talk
from agentrun.errors import SpecError


async def _model(talk: Talk, name: str) -> None:
    if not name:
        talk.say(f"the model is {talk.agent.model.name}; `/model NAME` changes it, `/model offline` needs no key")
        return
    try:
        loaded = talk.loader.load(name, talk.screen.exchange)
    except SpecError as error:
        talk.say(f"the model stays: {error.message}", "error")
        return
    talk.use(loaded, name)
    talk.say(f"the model is {talk.agent.model.name} now", "dim")


COMMANDS = (Command("model", "[NAME]", "the model, or another one from here on", _model),)
