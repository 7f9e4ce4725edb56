"""How the parts of a reply follow from each other, so that a cassette says each thing once. Pure.

The assistant message that goes into the history follows from a reply's calls; the message of a result from what a tool
gave; the pieces of a stream, where nothing else is known of them, from the reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.cassettes.cassette import Interrupted, Result, ToolEntry, ToolFailed
from agentrun.engine.arguments import parse_arguments
from agentrun.engine.messages import Reply, ToolCall
from agentrun.engine.output import as_text
from agentrun.engine.ports import CallProgress, Progress, TextProgress
from agentrun.errors import ToolFailure


def sent_form(call: ToolCall) -> dict[str, Any]:
    """A call in the assistant message: with a name and arguments that services take."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", call.name)[:64]
    arguments = call.arguments if _is_json_object(call.arguments) else "{}"
    return {"id": call.id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _is_json_object(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def in_history(reply: Reply) -> dict[str, Any]:
    """The message that the next request has of a reply: arguments that were no JSON are left out."""
    bad = {call.id for call in reply.calls if not _parses(call.arguments)}
    message = dict(reply.message.data)
    if bad:
        message["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": "{}"}} if call.get("id") in bad else call
            for call in message.get("tool_calls", [])
        ]
    return message


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
        message["tool_calls"] = [{**sent_form(call), **more} for call, more in zip(calls, fields, strict=True)]
    return {**message, **(written.get("fields") or {})}


def whole(reply: Reply) -> tuple[Progress, ...]:
    """The progress of a reply that came in one piece."""
    text: list[Progress] = [TextProgress(reply.text)] if reply.text else []
    calls = (CallProgress(index, call.name, call.arguments) for index, call in enumerate(reply.calls))
    return (*text, *calls)


def joined(progress: Iterable[Progress], kind: type[Progress], index: int = 0) -> str:
    """The text of one stream: the answer, the reasoning, or the arguments of a call."""
    pieces = []
    for one in progress:
        if isinstance(one, CallProgress) and kind is CallProgress and one.index == index:
            pieces.append(one.arguments)
        elif isinstance(one, kind) and not isinstance(one, CallProgress):
            pieces.append(getattr(one, "text", ""))
    return "".join(pieces)
