"""How the parts of a reply follow from each other, so that a cassette says each thing once. Pure.

The assistant message that goes into the history follows from a reply's calls; the message of a result from what a tool
gave; the pieces of a stream, where nothing else is known of them, from the reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentrun.cassettes.cassette import Interrupted, Result, ToolEntry, ToolFailed
from agentrun.engine.arguments import parse_arguments
from agentrun.engine.conversation import history_form
from agentrun.engine.messages import Reply, ToolCall
from agentrun.engine.output import as_text
from agentrun.engine.ports import CallProgress, Progress, TextProgress
from agentrun.errors import ToolFailure


def in_history(reply: Reply) -> dict[str, Any]:
    """The message that the next request has of a reply."""
    return dict(history_form(reply, {call.id for call in reply.calls if not _parses(call.arguments)}).data)


def _parses(arguments: str) -> bool:
    try:
        parse_arguments(arguments)
    except ToolFailure:
        return False
    return True


def told(entry: ToolEntry) -> str | None:
    """What the model is told of a call, where nothing shapes or cuts it."""
    match entry.outcome:
        case Result(value):
            return as_text(value)
        case ToolFailed(type, message, details):
            return as_text(ToolFailure(type, message, **details).as_result())
        case Interrupted():
            return None


def derived_message(written: Mapping[str, Any], calls: Sequence[ToolCall]) -> dict[str, Any]:
    """The assistant message of a reply as a cassette writes it."""
    message: dict[str, Any] = {"role": "assistant", "content": written.get("content")}
    if written.get("refusal"):
        message["refusal"] = written["refusal"]
    if calls:
        fields = [one.get("fields") or {} for one in written["tool_calls"]]
        message["tool_calls"] = [{**call.chat_form(), **more} for call, more in zip(calls, fields, strict=True)]
    return {**message, **(written.get("fields") or {})}


def whole(reply: Reply) -> tuple[Progress, ...]:
    """The progress of a reply that came in one piece."""
    text: list[Progress] = [TextProgress(reply.text)] if reply.text else []
    calls = (CallProgress(index, call.name, call.arguments) for index, call in enumerate(reply.calls))
    return (*text, *calls)
