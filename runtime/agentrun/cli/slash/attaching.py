"""Files that go with a message: `/attach`, `@FILE` in what is typed, and what becomes of them where nobody answered."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agentrun.attachments import Attachment, check_together, described, read_attachments
from agentrun.cli.slash.command import Command, Draft, Send
from agentrun.cli.talk.mentions import is_there, mentioned
from agentrun.cli.talk.nearby import is_near
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import counted
from agentrun.engine.attached import files_in
from agentrun.errors import UsageError
from agentrun.visible import in_a_line

Parts = Sequence[Mapping[str, Any]]


async def _attach(talk: Talk, rest: str) -> None:
    if rest == "clear":
        dropped = files_in(talk.attached)
        talk.attached.clear()
        talk.say(f"{counted(len(dropped), 'file')} dropped" if dropped else "nothing was attached", "dim")
        return
    if rest:
        paths = _paths(rest)
        if not talk.interactive and not all(map(is_near, paths)):
            raise UsageError(
                "from a pipe, files below the current folder are attached, and no hidden ones",
                help="`agentrun run --attach FILE` takes any file",
            )
        talk.attached[:] = _parts(_together(files_in(talk.attached), read_attachments(paths)))
    waiting = files_in(talk.attached)
    if not waiting:
        talk.say("nothing is attached; `/attach FILE` adds a file to the next message", "dim")
        return
    talk.say("with the next message:", "dim")
    for one in waiting:
        talk.say(in_a_line(f"+ {described(one)}"), "dim")


def with_files(talk: Talk, text: str) -> Send | Draft:
    """What was typed, with the files that it names; where one can't be attached, nothing is sent and it comes back.

    Piped text may come from anybody, so there `@FILE` is text: to read a file because a mail or a web page names it
    would send that file to whoever runs the model.
    """
    if not talk.interactive:
        return Send(text)
    try:
        named = read_attachments(mentioned(text, lambda told: talk.say(told, "dim")))
        waiting = files_in(talk.attached)
        new = _together(waiting, named)[len(waiting) :]
    except UsageError as error:
        talk.complain(error)
        return Draft(text)
    if named:
        talk.say(in_a_line(f"attached: {', '.join(map(described, named))}"), "dim")
    return Send(text, _parts(new))


def came_back(talk: Talk, text: str, attached: Parts) -> Draft:
    """A message that got no answer, and left the conversation for that: at a terminal it can be changed."""
    talk.unanswered = Send(text, attached)
    if not talk.interactive:
        with_them = f", with {counted(len(files_in(attached)), 'file')}" if attached else ""
        talk.say(f"no answer came: the message is taken back{with_them}", "dim")
        return Draft("")
    draft = at_the_prompt(talk, text, attached)
    drop = "; /attach clear drops its files" if talk.attached else ""
    talk.say(f"no answer came: the message is taken back, to the prompt{drop}", "dim")
    return draft


def at_the_prompt(talk: Talk, text: str, attached: Parts) -> Draft:
    """A message to be changed: its files wait, but for those that it names, which are read when it is sent."""
    talk.attached[:] = [*talk.attached, *_without(attached, _named_in(text))]
    return Draft(text)


def _named_in(text: str) -> list[Attachment]:
    """The files that a draft names: they are read again when it is sent, and need not wait."""
    try:
        return read_attachments(mentioned(text))
    except UsageError:
        return []


def _together(waiting: Sequence[Attachment], more: Sequence[Attachment]) -> list[Attachment]:
    """The same file with the same content goes once."""
    all_of_them = list(waiting)
    for one in more:
        if all(one.parts != other.parts for other in all_of_them):
            all_of_them.append(one)
    check_together(all_of_them)
    return all_of_them


def _without(parts: Parts, files: Sequence[Attachment]) -> list[Mapping[str, Any]]:
    """The parts but for those of files of the same names: of each name as many as there are files, the last ones."""
    names = Counter(one.name for one in files)
    gone: list[Mapping[str, Any]] = []
    for one in reversed(files_in(parts)):
        if names[one.name] > 0:
            names[one.name] -= 1
            gone += one.parts
    return [part for part in parts if all(part is not one for one in gone)]


def _parts(files: Sequence[Attachment]) -> list[Mapping[str, Any]]:
    return [part for one in files for part in one.parts]


def _paths(rest: str) -> list[str]:
    """As a shell reads them; a whole line that is a file's name needs no quotes."""
    if is_there(rest):
        return [rest]
    try:
        return shlex.split(rest)
    except ValueError:
        raise UsageError(f"a quote is not closed: {rest}") from None


COMMANDS = (
    Command(
        "attach",
        "[FILE… | clear]",
        "send files with the next message: images, PDF, text",
        _attach,
        words=lambda _: ["clear"],
        reads_files=True,
    ),
)
