"""The answers of a conversation, for people: the last text of each exchange. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from agentrun.engine.conversation import INTERRUPTED
from agentrun.engine.exchanges import exchange_starts
from agentrun.engine.messages import Message
from agentrun.sessions.export import text_of


def answers(messages: Sequence[Message]) -> list[str]:
    """Of exchanges in which nothing was said there is none. What was cut off ends where it did."""
    found = (_answer(messages[start:end]) for start, end in pairwise([*exchange_starts(messages), len(messages)]))
    return [text for text in found if text]


def _answer(exchange: Sequence[Message]) -> str:
    said = (text_of(one.data) for one in reversed(exchange) if one.role == "assistant")
    text = next((text for text in said if text.strip()), "")
    return text.removesuffix(INTERRUPTED).strip("\n")
