"""/commands about what is kept of a conversation: sessions, files, the clipboard, tests."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from agentrun.cli.slash.command import Command
from agentrun.cli.slash.counting import number_in
from agentrun.cli.talk.talk import Talk
from agentrun.cli.turns import interruptible
from agentrun.diagnostics import counted
from agentrun.errors import AgentrunError, UsageError
from agentrun.visible import in_a_line, one_line

_LISTED = 20
_SNIPPET_CHARS = 200


# -- sessions


async def _sessions(talk: Talk, words: str) -> None:
    from agentrun.cli.columns import line_width
    from agentrun.cli.kept.listing import listed

    keeper, agent, root = talk.keeper, talk.first.name, talk.loader.root
    if keeper.refusal:
        raise UsageError(keeper.refusal)
    if words:
        found = keeper.store.search(words, agent=agent, root=root, limit=_LISTED)
        sessions = [one.session for one in found]
        snippets = [one_line(one.snippet, _SNIPPET_CHARS) for one in found]
    else:
        sessions = keeper.store.sessions(agent=agent, root=root, limit=_LISTED)
        snippets = [""] * len(sessions)
    if not sessions:
        where = f" in which “{one_line(words, 60)}” was said" if words else ""
        talk.say(f"there is no session with {agent}{where} yet", "dim")
        return
    head, *rows = listed(sessions, time.time(), max(line_width(sys.stdout) - 2, 20))
    lines = [f"  {head}"]
    for session, row, snippet in zip(sessions, rows, snippets, strict=True):
        lines.append(f"{'*' if session.id == keeper.session else ' '} {row}")
        lines += [f"      {snippet}"] if snippet else []
    talk.say("\n".join(lines))
    more = 0 if words else keeper.store.count(agent=agent, root=root) - len(sessions)
    if more > 0:
        talk.say(f"  and {more:,} more: `agentrun sessions list`", "dim")


async def _resume(talk: Talk, id: str) -> None:
    if not id:
        raise UsageError("which session?", help="`/resume ID`, as /sessions shows it")
    before = talk.kept_as
    await talk.resume(id)
    talk.recall()
    if before:
        talk.say(f"the one before is kept: /resume {before}", "dim")


async def _fork(talk: Talk, title: str) -> None:
    if not talk.messages:
        raise UsageError("nothing was said yet: there is nothing to copy")
    before = talk.keeper.session
    copy = talk.keeper.fork()
    if title:
        talk.keeper.rename(talk.agent.mask.text(title))
    talk.say(f"the conversation goes on in a copy, session {copy.id}; {before} stays as it is", "dim")


async def _title(talk: Talk, title: str) -> None:
    if title:
        talk.keeper.rename(talk.agent.mask.text(title))
    shown = talk.keeper.about().title
    talk.say(f"the title is “{in_a_line(shown)}”" if shown else "no title yet: it will be the first message", "dim")


async def _save(talk: Talk, rest: str) -> None:
    keeper = talk.keeper
    if keeper.is_kept:
        kept = f"it is kept already, as session {keeper.session}"
        talk.say(kept if talk.messages else "nothing was said yet; what will be is kept", "dim")
        return
    id = keeper.save()
    talk.say(f"kept from now on, with all that was said: session {id}", "dim")


def _ids(talk: Talk) -> Iterable[str]:
    if talk.keeper.refusal:
        return []
    try:
        return [one.id for one in talk.keeper.store.sessions(root=talk.loader.root, limit=_LISTED)]
    except AgentrunError:  # there is nothing to choose from; the command says why
        return []


# -- files, the clipboard, tests


async def _export(talk: Talk, rest: str) -> None:
    from agentrun.cli.slash.exporting import export
    from agentrun.discovery import display

    path = export(talk, rest)
    talk.say(f"written to {display(path)}", "dim")


async def _copy(talk: Talk, rest: str) -> None:
    from agentrun.cli.slash.answers import answers
    from agentrun.cli.slash.clipboard import copy

    if not talk.interactive:
        raise UsageError("without a terminal there is no clipboard", help="the answers are on stdout")
    number = number_in(rest)
    if number is None:
        raise UsageError(f"`{one_line(rest, 60)}` is no number", help="`/copy 2` copies the last answer but one")
    found = answers(talk.messages)
    if not found:
        raise UsageError("there is no answer yet")
    if number > len(found):
        raise UsageError(f"there {'is' if len(found) == 1 else 'are'} only {counted(len(found), 'answer')}")
    text = talk.agent.mask.text(found[-number])
    copied = await asyncio.to_thread(copy, text, os.environ, _terminal())
    if copied.certain:
        talk.say(f"copied: {len(text):,} characters, by {copied.by}", "dim")
    else:
        talk.say(
            f"{len(text):,} characters were sent to the terminal for its clipboard; not all terminals allow it", "dim"
        )


def _terminal() -> TextIO | None:
    """Where escape sequences may go."""
    if os.environ.get("TERM", "dumb") == "dumb":
        return None
    return next((one for one in (sys.stdout, sys.stderr) if one.isatty()), None)


async def _save_test(talk: Talk, name: str) -> None:
    from agentrun.cassettes.cassette import UserEntry
    from agentrun.cli.session_tests import told

    heard = None if talk.heard is None else talk.heard.conversation()
    if talk.heard is None or heard is None:
        if talk.messages:
            raise UsageError("no test can be made of it: nothing was said since the conversation was taken up here")
        raise UsageError("nothing was said yet")
    lacks = talk.heard.lacks
    if not any(isinstance(one, UserEntry) for one in heard.entries):
        raise UsageError(f"no test can be made of it: {lacks or 'what was said was undone'}")
    saved = await interruptible(talk.loader.save(heard, name))
    if saved is None:
        talk.say("interrupted: nothing was saved", "dim")
        return
    for line in told(saved):
        talk.say(line, "dim")
    if lacks:
        talk.say(f"what was said last is not in it: {lacks}", "warning")


COMMANDS = (
    Command("sessions", "[WORDS]", "the last sessions with this agent, or those in which WORDS were said", _sessions),
    Command("resume", "ID", "go on with another session", _resume, words=_ids),
    Command("fork", "[TITLE]", "go on in a copy; the session stays as it is", _fork),
    Command("title", "[TEXT]", "the title of the session, or another one", _title),
    Command(
        "save",
        "",
        "keep a conversation that is not kept",
        _save,
        more="It goes into the database: /export writes a file, /save-test makes a test.",
    ),
    Command(
        "export",
        "[md|json] [FILE]",
        "write the conversation to a file",
        _export,
        words=lambda _: ("md", "json"),
        reads_files=True,
    ),
    Command("copy", "[N]", "put the last answer into the clipboard, or the Nth from the end", _copy),
    Command("save-test", "[NAME]", "make a test of the conversation", _save_test),
)
