"""A conversation as exchanges: what the user said, with all that followed. Read from the messages alone. Pure.

What the loop itself says in the user's name begins none: a note for messages that went, the correction of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentrun.engine.arguments import parse_json
from agentrun.engine.context import is_note
from agentrun.engine.conversation import is_correction
from agentrun.engine.handoff import PREFIX
from agentrun.engine.messages import PROMPT_ROLES, Message


def exchange_starts(messages: Sequence[Message]) -> list[int]:
    """Where the exchanges begin."""
    found = (index for index, one in enumerate(messages) if one.role == "user" and not is_correction(one))
    return [index for index in found if not _is_the_note(messages, index)]


def _is_the_note(messages: Sequence[Message], index: int) -> bool:
    """It stands before all that was said: what a user writes later is no note, whatever it begins with."""
    return is_note(messages[index]) and all(one.role in PROMPT_ROLES for one in messages[:index])


def text_of(message: Message) -> str:
    """What a message says, without what is attached to it."""
    content = message.data.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content[-1:] if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def attachments_of(message: Message) -> list[Mapping[str, Any]]:
    """The content parts that stand before the text of a user message."""
    content = message.data.get("content")
    return list(content[:-1]) if isinstance(content, list) else []


def calls_in(messages: Sequence[Message]) -> list[str]:
    """The names of the tools that were called. A hand-off is no tool."""
    names = [str(call.get("function", {}).get("name")) for one in messages for call in _calls(one)]
    return [name for name in names if not name.startswith(PREFIX)]


def taken_over_by(messages: Sequence[Message]) -> str | None:
    """The agent that took the conversation over last, in these messages."""
    taking: dict[str, str] = {}
    agent: str | None = None
    for message in messages:
        for call in _calls(message):
            taking[str(call.get("id"))] = str(call.get("function", {}).get("name"))
        if message.role == "tool" and taking.get(str(message.data.get("tool_call_id")), "").startswith(PREFIX):
            agent = _agent_told(message) or agent
    return agent


def _agent_told(result: Message) -> str | None:
    """None where the hand-off failed."""
    try:
        told = parse_json(text_of(result))
    except ValueError:
        return None
    return str(told["assistant"]) if isinstance(told, dict) and set(told) == {"assistant"} else None


def _calls(message: Message) -> Sequence[Mapping[str, Any]]:
    return message.data.get("tool_calls") or () if message.role == "assistant" else ()
