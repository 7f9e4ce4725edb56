"""Shortens a conversation because somebody asks for it, outside of any run: a summary takes the place of what went.

All goes but the last exchange. What a run does when the conversation outgrows its context is `overflow.py`'s.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from agentrun.engine import context, events
from agentrun.engine.agent import Agent
from agentrun.engine.asking import cost_usd
from agentrun.engine.context import Cut
from agentrun.engine.conversation import untrusted_seen
from agentrun.engine.events import Emit, Teller
from agentrun.engine.exchanges import exchange_starts
from agentrun.engine.messages import Message, Request, ToolList, Usage
from agentrun.engine.ports import DirectJournal, FallbackProgress, Journal, Progress, RetryProgress
from agentrun.engine.progress import MaskedProgress, progress_event
from agentrun.errors import ModelError, UsageError

KEY = "compaction"  # in the journal: of no run


class Compaction(msgspec.Struct, frozen=True):
    """What came of it. `tokens_before` and `tokens_after` are estimates of the messages."""

    dropped_messages: int
    tokens_before: int
    tokens_after: int
    usage: Usage | None
    cost_usd: float | None


async def compact(
    agent: Agent,
    messages: list[Message],
    *,
    wish: str = "",
    emit: Emit = lambda event: None,
    journal: Journal | None = None,
) -> Compaction:
    """The agent's model sums up all but the last exchange. `messages` is changed in place, once the summary is there.

    `wish` is what the summary should keep. Raises `UsageError` where it is too short for that, and `ModelError`.
    """
    found = what_goes(messages)
    tell = Teller(emit, secrets.token_hex(8))

    def progress(told: Progress) -> None:
        if isinstance(told, RetryProgress | FallbackProgress):  # the text is not the answer
            progress_event(told, tell)

    masked = MaskedProgress(agent.mask, progress)
    request = Request(context.summary_request(found.old, wish), ToolList(()))
    reply = await (journal or DirectJournal()).model_call(
        KEY, request, masked, lambda told: agent.model.complete(request, told)
    )
    if not reply.text.strip():
        raise ModelError("the model gave no summary", help="The conversation stays as it is. Try it again.")
    room = context.room_of_summary(context.tokens_of(found.old))
    note = context.summary_note(reply.text.strip(), room, untrusted=untrusted_seen(agent, messages))
    before = context.tokens_of(messages)
    messages[:] = found.joined(note)
    cost = cost_usd(agent, reply)
    tell(events.Compacted, dropped_messages=len(found.old), usage=reply.usage, cost_usd=cost)
    return Compaction(len(found.old), before, context.tokens_of(messages), reply.usage, cost)


def what_goes(messages: Sequence[Message]) -> Cut:
    """Raises `UsageError` where there is too little for a summary."""
    starts = exchange_starts(messages)
    found = context.all_but_the_last(messages, starts[-1]) if starts else None
    if found is None:
        tokens = context.tokens_of(messages)
        raise UsageError(
            f"the conversation is too short for a summary: it has about {tokens:,} tokens",
            help="all before the last message is summed up",
        )
    return found
