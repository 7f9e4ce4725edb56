"""The last exchanges are taken out of a conversation: what goes, who has it again, and that all else follows.

Knows the conversation as it stands now; of one that was taken up again or shortened, what is still there.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentrun.cli.talk.carried import last_carried
from agentrun.cli.talk.takeover import prompt_of
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import counted
from agentrun.engine import context
from agentrun.engine.agent import Agent
from agentrun.engine.exchanges import calls_in, exchange_starts, taken_over_by
from agentrun.engine.handoff import put_prompt
from agentrun.engine.messages import PROMPT_ROLES, Message
from agentrun.errors import UsageError


class TakenBack(msgspec.Struct, frozen=True):
    """What went: the user message that began it, all of it, and the tools that were called in it.

    `returned` is the agent that has the conversation again, where another one had taken it over. `summary_left` says
    that what is left begins with a note for what went earlier.
    """

    said: Message
    exchanges: int
    calls: tuple[str, ...]
    returned: str | None
    summary_left: bool


def last_said(talk: Talk) -> Message:
    """The last user message."""
    starts = exchange_starts(talk.messages)
    if not starts:
        raise _nothing(talk)
    return talk.messages[starts[-1]]


def take_back(talk: Talk, exchanges: int = 1) -> TakenBack:
    """Takes the last exchanges out. Raises `UsageError` where there are fewer, and then nothing has changed."""
    starts = exchange_starts(talk.messages)
    if not starts:
        raise _nothing(talk)
    if exchanges > len(starts):
        raise UsageError(f"only {counted(len(starts), 'message')} can be undone")
    start = starts[-exchanges]
    said, gone, left = talk.messages[start], talk.messages[start:], talk.messages[:start]
    if all(one.role in PROMPT_ROLES for one in left):
        left = []  # the next message begins with the prompt as it is then
    agent = _had_it(talk, said, gone, left)
    if left and agent is not talk.agent:
        is_as_it_was = talk.heard is not None and not talk.heard.is_changed
        put_prompt(left, _prompt(talk, said, agent) if is_as_it_was else prompt_of(talk, agent))
    returned = None if agent is talk.agent else agent.name
    talk.messages[:], talk.agent = left, agent
    if talk.heard is not None:
        talk.heard.take_back(said, left)
    measure(talk)
    talk.keeper.sync()
    noted = bool(left) and not exchange_starts(left)
    return TakenBack(said, exchanges, tuple(dict.fromkeys(calls_in(gone))), returned, noted)


def measure(talk: Talk) -> None:
    """How large the conversation is, after it was changed."""
    tools = context.tokens_of_tools(last_carried(talk))
    talk.seen.context_tokens = tools + context.tokens_of(talk.messages) if talk.messages else 0


def _nothing(talk: Talk) -> UsageError:
    if talk.messages:
        return UsageError(
            "what was said is part of a summary: there is nothing to undo", help="`/clear` begins a new conversation"
        )
    return UsageError("nothing was said yet")


def _had_it(talk: Talk, said: Message, gone: Sequence[Message], left: Sequence[Message]) -> Agent:
    """Who had the conversation before: another one only if it was handed over in what goes."""
    if taken_over_by(gone) is None:
        return talk.agent
    heard = None if talk.heard is None else talk.heard.turn(said)
    name = (taken_over_by(left) or talk.first.name) if heard is None else heard.speaker
    return talk.first if name == talk.first.name else talk.first.peers.get(name, talk.first)


def _prompt(talk: Talk, said: Message, agent: Agent) -> str | None:
    """The system prompt as it was then; where that was not heard here, as it is now."""
    heard = None if talk.heard is None else talk.heard.turn(said)
    if heard is None or heard.speaker != agent.name:
        return prompt_of(talk, agent)
    first = next(iter(heard.before), None)
    return str(first.data.get("content")) if first is not None and first.role in PROMPT_ROLES else None
