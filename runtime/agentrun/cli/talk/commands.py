"""All /commands, in the order of /help, and the obeying of one."""

from __future__ import annotations

from agentrun.cli.talk import changing, keeping, looking, past
from agentrun.cli.talk.command import Command, Leave, Next
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import did_you_mean
from agentrun.errors import AgentrunError


async def _help(talk: Talk, rest: str) -> None:
    wanted = rest.removeprefix("/")
    if wanted and (command := _find(talk, wanted)) is None:
        return
    shown = [command] if wanted and command else COMMANDS
    width = max(len(f"/{one.name} {one.usage}") for one in shown)
    for one in shown:
        call = f"/{one.name} {one.usage}".rstrip()
        talk.say(f"  {call:<{width}}  {one.meaning}")


async def _quit(talk: Talk, rest: str) -> Next:
    return Leave()


COMMANDS: tuple[Command, ...] = (
    Command("help", "[COMMAND]", "this list", _help, words=lambda _: [one.name for one in COMMANDS]),
    *looking.COMMANDS,
    *changing.COMMANDS,
    *past.COMMANDS,
    *keeping.COMMANDS,
    Command("quit", "", "leave; Ctrl-D does it too", _quit, aliases=("exit",)),
)


async def obey(talk: Talk, typed: str) -> Next | None:
    """Do what a line says that begins with `/`. What can't be done is told, and the conversation goes on."""
    name, _, rest = typed[1:].strip().partition(" ")
    command = _find(talk, name)
    if command is None:
        return None
    try:
        return await command.run(talk, rest.strip())
    except AgentrunError as error:
        talk.complain(error)
        return None


def _find(talk: Talk, name: str) -> Command | None:
    for command in COMMANDS:
        if name in (command.name, *command.aliases):
            return command
    near = did_you_mean(f"/{name}", [f"/{known.name}" for known in COMMANDS]) or "/help lists the commands"
    talk.say(f"there is no command /{name}: {near}", "error")
    return None
