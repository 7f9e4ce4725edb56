"""A history that every service accepts, whatever happened to the conversation.

Pure. Each assistant message with calls is followed by one result per call, in order; results of no call are
dropped, calls without a result get an `interrupted` error, an assistant message that says nothing is left
out. A valid history, which is nearly every one, is returned as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from agentrun.engine.messages import Message, encode, tool_result
from agentrun.errors import ToolFailure
from agentrun.models.speakers import SAID_BY, common_form, is_of_another

ContentWhenEmpty = Literal["", "omit"] | None

# What other APIs sent that the chat form can't hold, such as signed or encrypted thinking. It goes back to the model it
# came from and nowhere else.
ANTHROPIC_CONTENT = "anthropic_content"
RESPONSES_OUTPUT = "responses_output"
_NEVER_SENT = frozenset({ANTHROPIC_CONTENT, RESPONSES_OUTPUT, SAID_BY})


def repair(messages: Sequence[Message]) -> Sequence[Message]:
    return messages if _is_valid(messages) else _repaired(messages)


def message_json(message: Message, content_when_empty: ContentWhenEmpty = None, to: str = "") -> bytes:
    """The bytes to send `to` a speaker. Servers disagree on the `content` of a message that has only calls."""
    data = message.data
    if not _NEVER_SENT.isdisjoint(data):
        own = common_form(data) if is_of_another(data, to) else data
        message = Message({key: value for key, value in own.items() if key not in _NEVER_SENT})
        data = message.data
    if not data.get("tool_calls") or data.get("content"):
        return message.json
    if content_when_empty == "omit":
        return encode({key: value for key, value in data.items() if key != "content"})
    if "content" in data and data["content"] == content_when_empty:
        return message.json
    return encode({**data, "content": content_when_empty})


def _is_valid(messages: Sequence[Message]) -> bool:
    unanswered: tuple[str, ...] = ()
    for message in messages:
        if message.answers is not None:
            if not unanswered or message.answers != unanswered[0]:
                return False
            unanswered = unanswered[1:]
        elif unanswered or not (message.is_plain or _has_place(message)):
            return False
        else:
            unanswered = message.calls
    return not unanswered


def _repaired(messages: Sequence[Message]) -> list[Message]:
    kept: list[Message] = []
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        if message.role == "tool":
            continue  # what its call did not claim below belongs to no call
        calls = message.data.get("tool_calls") if message.role == "assistant" else None
        if _has_place(message):
            kept.append(message)
        results: list[Message] = []
        while calls and position < len(messages) and messages[position].role == "tool":
            results.append(messages[position])
            position += 1
        kept += [_claimed(call["id"], results) for call in calls or ()]
    return kept


def _claimed(call_id: str, results: list[Message]) -> Message:
    for position, result in enumerate(results):
        if result.data.get("tool_call_id") == call_id:
            return results.pop(position)
    failure = ToolFailure("interrupted", "The call was interrupted: whether it had an effect is not known.")
    return tool_result(call_id, encode(failure.as_result()).decode())


def _has_place(message: Message) -> bool:
    data = message.data
    return message.role != "assistant" or bool(message.calls or data.get("content") or data.get("refusal"))
