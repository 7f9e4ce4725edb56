"""The `offline` model: rules in the place of a model service, without a network and without a key.

It is the default for people who have no key yet, and for demonstrations and smoke tests. It is no language model and
says so. It keeps nothing between turns: everything is read from the request, so the same request gives the same reply.
What the rules decide is in `turn.py`; this file turns it into a reply of the `Model` port.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date

from agentrun.engine.attached import bytes_and_tokens
from agentrun.engine.messages import Message, Reply, Request, ToolCall, Usage
from agentrun.engine.ports import CallProgress, Tell, TextProgress
from agentrun.models.offline.slots import slots_of
from agentrun.models.offline.turn import Call, decide

# A rough rule for English text; a count by a real tokenizer would be as arbitrary here.
CHARS_PER_TOKEN = 4


class Offline:
    """`today` is asked only where the system prompt states no date."""

    def __init__(self, name: str = "offline", *, today: Callable[[], date] = date.today) -> None:
        self.name = name
        self._today = today

    async def complete(self, request: Request, tell: Tell) -> Reply:
        decided = decide(request, self._today)
        return _said(request, decided, tell) if isinstance(decided, str) else _called(request, decided, tell)


def _said(request: Request, text: str, tell: Tell) -> Reply:
    text = _encodable(text)
    for piece in re.findall(r"\S+\s*|\s+", text):
        tell(TextProgress(piece))
    return Reply(Message({"role": "assistant", "content": text}), text, (), "stop", _usage(request, len(text)))


def _called(request: Request, wanted: list[Call], tell: Tell) -> Reply:
    used = set(request.used_call_ids)
    calls: list[ToolCall] = []
    open_as_null = {
        tool.name: {slot.name: None for slot in slots_of(tool.parameters) if slot.may_be_null}
        for tool in request.tools.tools
    }
    for name, said in wanted:
        arguments = {**open_as_null.get(name, {}), **said}
        number = len(used) + 1
        while f"call_{number}" in used:
            number += 1
        used.add(f"call_{number}")
        call = ToolCall(f"call_{number}", name, _encodable(json.dumps(arguments, ensure_ascii=False)))
        tell(CallProgress(len(calls), call.name, call.arguments))
        calls.append(call)
    forms = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]
    message = Message({"role": "assistant", "content": None, "tool_calls": forms})
    size = sum(len(call.name) + len(call.arguments) for call in calls)
    return Reply(message, "", tuple(calls), "tool_calls", _usage(request, size))


def _usage(request: Request, output_chars: int) -> Usage:
    """An estimate, so that reports show something: characters divided by four."""
    embedded = [bytes_and_tokens(message.data.get("content")) for message in request.messages]
    input_chars = sum(len(message.json) for message in request.messages) - sum(count for count, _ in embedded)
    input_chars += len(request.tools.json) if request.tools else 0
    given, made = -(-input_chars // CHARS_PER_TOKEN), -(-output_chars // CHARS_PER_TOKEN)
    given += sum(tokens for _, tokens in embedded)
    return Usage(given, made, given + made)


def _encodable(text: str) -> str:
    """Without lone surrogates, which JSON may smuggle in and no encoder takes."""
    return text.encode("utf-8", "replace").decode()
