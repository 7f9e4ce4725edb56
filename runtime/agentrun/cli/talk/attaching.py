"""Files that go with a message: `/attach`, `@FILE` in what is typed, and what becomes of them where nobody answered."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentrun.attachments import Attachment, check_together, described, read_attachments
from agentrun.cli.talk.command import Command, Draft, Send
from agentrun.cli.talk.taking_back import take_back
from agentrun.cli.talk.talk import Talk
from agentrun.cli.taping import is_miss
from agentrun.diagnostics import counted
from agentrun.engine.attached import files_in
from agentrun.engine.exchanges import attachments_of, text_of
from agentrun.engine.outcome import Outcome
from agentrun.errors import UsageError

_NAMED = re.compile(r"""(?<![^\s(\[{<"'])@(?:"([^"\n]+)"|(\S+))""")  # no part of a word: ann@example.com names no file
_PATH_LIKE = re.compile(r"(?=.*/|.*\w\.\w{1,5}$)[\w.~/+@%-]+")
_PUNCTUATION = ".,;:!?)]}>'\"…"
_MAX_PATH_CHARS = 4096

Parts = Sequence[Mapping[str, Any]]


async def _attach(talk: Talk, rest: str) -> None:
    if rest == "clear":
        dropped = files_in(talk.attached)
        talk.attached.clear()
        talk.say(f"{counted(len(dropped), 'file')} dropped" if dropped else "nothing was attached", "dim")
        return
    if rest:
        talk.attached[:] = _parts(_together(files_in(talk.attached), read_attachments(_paths(rest))))
    waiting = files_in(talk.attached)
    if not waiting:
        talk.say("nothing is attached; `/attach FILE` adds a file to the next message", "dim")
        return
    talk.say("with the next message:", "dim")
    for one in waiting:
        talk.say(f"+ {described(one)}", "dim")


def with_files(talk: Talk, text: str, attachments: Parts = ()) -> Send | Draft:
    """What was typed, with the files that it names; where one can't be attached, nothing is sent and it comes back.

    Piped text may come from anybody, so there `@FILE` is text: to read a file because a mail or a web page names it
    would send that file to whoever runs the model.
    """
    if not talk.interactive:
        return Send(text, attachments)
    try:
        named = read_attachments(_named(talk, text))
        kept = _without(attachments, named)  # what a draft names was read anew
        there = files_in([*talk.attached, *kept])
        new = _together(there, named)[len(there) :]
    except UsageError as error:
        talk.complain(error)
        return Draft(text, attachments)
    if named:
        talk.say(f"attached: {', '.join(map(described, named))}", "dim")
    return Send(text, [*kept, *_parts(new)])


def taken_back(talk: Talk, outcome: Outcome) -> Draft:
    """A message with files that the model did not answer leaves the conversation, and comes back to be changed.

    A service that takes no such file refuses every request that holds it: nothing could be said any more.
    """
    last = talk.messages[-1] if talk.messages else None
    if outcome.reason != "model_error" or is_miss(outcome) or last is None or last.role != "user":
        return Draft("")
    if not (attached := attachments_of(last)):
        return Draft("")
    text = text_of(take_back(talk).said)
    if not talk.interactive:
        talk.say(f"no answer came: the message is taken back, with {counted(len(files_in(attached)), 'file')}", "dim")
        return Draft("")
    talk.attached[:] = _without(attached, _named_in(text))
    drop = "; /attach clear drops its files" if talk.attached else ""
    talk.say(f"no answer came: the message is taken back, to the prompt{drop}", "dim")
    return Draft(text)


def _named_in(text: str) -> list[Attachment]:
    """The files that a draft names: they are read again when it is sent, and need not wait."""
    try:
        return read_attachments(path for path in map(_existing, _NAMED.finditer(text)) if path is not None)
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
    """The parts but for those of files of the same names."""
    names = {one.name for one in files}
    gone = [part for one in files_in(parts) if one.name in names for part in one.parts]
    return [part for part in parts if all(part is not one for one in gone)]


def _parts(files: Sequence[Attachment]) -> list[Mapping[str, Any]]:
    return [part for one in files for part in one.parts]


def _paths(rest: str) -> list[str]:
    """As a shell reads them; a whole line that is a file's name needs no quotes."""
    if _is_there(rest):
        return [rest]
    try:
        return shlex.split(rest)
    except ValueError:
        raise UsageError(f"a quote is not closed: {rest}") from None


# -- @FILE ------------------------------------------------------------------------------------------------------------


def _named(talk: Talk, text: str) -> Iterator[str]:
    """Files that are there. What looks like one and is none stays text, and the person is told."""
    for found in _NAMED.finditer(text):
        path = _existing(found)
        if path is not None and not Path(path).expanduser().is_file():
            talk.say(f"`{path}` is no file: it stays text", "dim")
        elif path is not None:
            yield path
        elif found[1] or _PATH_LIKE.fullmatch(found[2].rstrip(_PUNCTUATION)):
            talk.say(f"there is no file `{found[1] or found[2].rstrip(_PUNCTUATION)}`: it stays text", "dim")


def _existing(found: re.Match[str]) -> str | None:
    """The path that was meant: punctuation at its end belongs to it only if there is such a file."""
    if found[1]:
        return found[1] if _is_there(found[1]) else None
    written: str = found[2]
    while written:
        for path in (written, re.sub(r"\\(.)", r"\1", written)):
            if _is_there(path):
                return path
        if written[-1] not in _PUNCTUATION:
            return None
        written = written[:-1]
    return None


def _is_there(path: str) -> bool:
    if len(path) > _MAX_PATH_CHARS or "\0" in path:
        return False
    try:
        return os.path.lexists(Path(path).expanduser())
    except (OSError, RuntimeError):
        return False


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
