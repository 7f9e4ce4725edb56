"""Which reader a conversation has, and what that gets to know of the conversation."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TextIO

from agentrun.cli.prompt.history import History
from agentrun.cli.prompt.reader import LineReader, PipeReader
from agentrun.cli.prompt.status import Standing, status_line
from agentrun.cli.slash.command import Command
from agentrun.cli.slash.commands import COMMANDS
from agentrun.cli.slash.following import results_of, since
from agentrun.cli.slash.spending import dollars, window_tokens
from agentrun.cli.talk.talk import Talk
from agentrun.engine.agent import Agent
from agentrun.engine.attached import files_in
from agentrun.errors import AgentrunError
from agentrun.state_folder import state_folder


def reader_for(talk: Talk) -> LineReader:
    if not talk.interactive:
        return PipeReader()
    from agentrun.cli.prompt.keyboard import Keyboard
    from agentrun.cli.prompt.plain import PlainReader, lacks_cursor_control

    keyboard = Keyboard(sys.stdin.fileno())
    output = _output()
    history = History(
        state_folder(os.environ) if _may_remember(talk) else None, lambda text: talk.first.mask.text(text)
    )
    if output is None or lacks_cursor_control(os.environ.get("TERM", "")):
        return PlainReader(keyboard, history, sys.stdin.fileno(), output or sys.stderr)
    from agentrun.cli.prompt.completion import Completion
    from agentrun.cli.prompt.terminal import TerminalReader

    window = _Window(talk)
    return TerminalReader(
        keyboard,
        history,
        Completion(COMMANDS, lambda command: _words(talk, command)),
        output,
        status=lambda columns: status_line(standing(talk, window()), columns),
        unfold=lambda number: _unfold(talk, number),
        edit=lambda text: _edit(talk, text),
    )


def standing(talk: Talk, window: int | None) -> Standing:
    seen, keeper = talk.seen, talk.keeper
    return Standing(
        model=talk.agent.model.name,
        context_tokens=seen.context_tokens,
        window_tokens=window,
        cost="" if seen.cost_usd is None else dollars(seen.cost_usd),
        session=keeper.status or keeper.session,
        waiting=[one.name for one in files_in(talk.attached)],
    )


class _Window:
    """What the context holds, looked up once for each agent: the line below the prompt is drawn with every key."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._agent: Agent | None = None
        self._tokens: int | None = None

    def __call__(self) -> int | None:
        talk = self._talk
        if talk.agent is not self._agent:
            self._agent, self._tokens = talk.agent, window_tokens(talk)
        return self._tokens


def _output() -> TextIO | None:
    """Where a prompt can be seen."""
    return next((stream for stream in (sys.stdout, sys.stderr) if stream.isatty()), None)


def _may_remember(talk: Talk) -> bool:
    """Not where the person wants nothing to be kept."""
    return talk.keeper.is_kept or bool(talk.keeper.refusal) or talk.keeper.failure is not None


def _words(talk: Talk, command: Command) -> Iterable[str]:
    try:
        return () if command.words is None else tuple(command.words(talk))
    except AgentrunError:  # the command itself tells what is wrong
        return ()


def _unfold(talk: Talk, number: int) -> None:
    results = results_of(talk)
    if number < len(results):
        talk.screen.below(talk.screen.unfold(results[-1 - number]))
    else:
        talk.say("there are no more results" if results else f"no tool was called {since(talk)}", "dim")


async def _edit(talk: Talk, text: str) -> str:
    from agentrun.cli.prompt.editor import edited

    try:
        return await edited(text, os.environ)
    except AgentrunError as error:
        talk.complain(error)
        return text
