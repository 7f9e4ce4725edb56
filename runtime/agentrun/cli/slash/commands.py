"""All /commands, in the order of /help, and the obeying of one."""

from __future__ import annotations

from agentrun.cli.slash import attaching, changing, following, keeping, looking, past, spending
from agentrun.cli.slash.command import Command, Failed, Leave, Next
from agentrun.cli.slash.findings import refused
from agentrun.cli.slash.rows import listed, paragraphs, room, tell, title
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import nearest
from agentrun.errors import AgentrunError, SpecError, UsageError
from agentrun.visible import one_line

_KEYS = (
    ("Enter", "sends the message; Alt-Enter or Ctrl-J begins a new line, and what is pasted may have many"),
    ("Tab", "completes commands, tools, agents, and files after @"),
    ("Ctrl-R", "searches what was typed before"),
    ("Ctrl-X Ctrl-E", "writes the message in your editor"),
    ("Ctrl-O", "unfolds the last tool result, as /last does"),
    ("Ctrl-C", "ends what goes on; twice at an empty prompt it leaves"),
    ("Ctrl-D", "leaves"),
)
_SHOWN = 60  # characters of what may not follow a command
_FILES = ("@FILE", "in a message: the file goes with it")
_SLASHES = ("//TEXT", "says /TEXT to the agent. A path such as /etc/hosts needs no second slash")


async def _help(talk: Talk, rest: str) -> None:
    width = room(talk)
    wanted = rest.removeprefix("/")
    if wanted:
        if (command := find(wanted)) is None:
            _refuse(talk, wanted)
            return
        title(talk, _call(command))
        also = f"also typed as {', '.join(f'/{alias}' for alias in command.aliases)}" if command.aliases else ""
        for text in (command.meaning, command.more, also):
            tell(talk, paragraphs(text, width) if text else ())
        return
    calls = [_call(one) for one in COMMANDS]
    for name, commands in GROUPS:
        title(talk, name)
        tell(talk, listed([(_call(one), one.meaning) for one in commands], width, beside=calls))
    if talk.interactive:
        title(talk, "Keys")
        tell(talk, listed(_KEYS, width, beside=calls))
    title(talk, "Messages")
    tell(talk, listed([*([_FILES] if talk.interactive else []), _SLASHES], width, beside=calls))


async def _quit(talk: Talk, rest: str) -> Next:
    return Leave()


GROUPS: tuple[tuple[str, tuple[Command, ...]], ...] = (
    ("The agent", (*looking.COMMANDS, *changing.COMMANDS)),
    ("What happened", (*following.COMMANDS, *spending.COMMANDS)),
    ("The conversation", (*attaching.COMMANDS, *past.COMMANDS)),
    ("What is kept", keeping.COMMANDS),
    (
        "This program",
        (
            Command("help", "[COMMAND]", "this list, or more of one command", _help, lambda _: names(), aliases=("?",)),
            Command("quit", "", "leave; Ctrl-D does it too", _quit, aliases=("exit",)),
        ),
    ),
)
COMMANDS: tuple[Command, ...] = tuple(one for _, commands in GROUPS for one in commands)


def names() -> list[str]:
    return [one.name for one in COMMANDS]


async def obey(talk: Talk, typed: str) -> Next | None:
    """Do what a line says that begins with `/`. What can't be done is told, and the conversation goes on.

    A message may begin with `/` too: with a second one, or where its first word is a path.
    """
    name, rest = [*typed[1:].split(maxsplit=1), "", ""][:2] if not typed[1:2].isspace() else ("", typed[1:])
    if name.startswith("/"):
        return attaching.with_files(talk, typed[1:])
    if "/" in name or "." in name:
        return attaching.with_files(talk, typed)
    command = find(name)
    if command is None:
        _refuse(talk, name)
        return Failed()
    try:
        if rest.strip() and not command.usage:
            raise UsageError(
                f"nothing may follow /{command.name}: `{one_line(rest, _SHOWN)}`", help=command.more or None
            )
        return await command.run(talk, rest.strip())
    except SpecError as error:
        return refused(talk, error, "nothing changed")
    except AgentrunError as error:
        talk.complain(error)
        return Failed()


def as_typed(text: str) -> str:
    """What is typed to say this to the agent."""
    return f"/{text}" if text.lstrip().startswith("/") else text


def find(name: str) -> Command | None:
    wanted = name.lower()
    return next((one for one in COMMANDS if wanted in (one.name, *one.aliases)), None)


def _refuse(talk: Talk, name: str) -> None:
    if not name:
        talk.say("no command follows the `/`: /help lists them", "error")
        return
    near = nearest(name, [alias for one in COMMANDS for alias in (one.name, *one.aliases)])
    help = f"did you mean `/{near}`?" if near else "/help lists them."
    talk.say(f"there is no command /{name}: {help} A second slash, as in //{name}, says it to the agent", "error")


def _call(command: Command) -> str:
    return f"/{command.name} {command.usage}".rstrip()
