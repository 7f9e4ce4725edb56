"""What happened in a run, in its order: what was said, and each call with its result. Made from what was observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.testing.observed import Observed, ObservedCall


class Said(msgspec.Struct, frozen=True):
    """A text of the conversation, by the role that it has in the chat API."""

    role: str
    text: str


Entry = Said | ObservedCall


def conversation(observed: Observed) -> list[Entry]:
    """The messages, with the calls of each turn below it; a call's result is part of it.

    Calls that the messages don't hold any more, since they were left out to save room, or not yet, since the case
    ended before, stand at the end.
    """
    calls = _Calls(observed.calls)
    entries: list[Entry] = []
    for message in observed.messages:
        entries += _entries(message, calls)
    return [*entries, *calls.rest()]


class _Calls:
    """The calls of a run, taken one by one, each with those that agents behind it made."""

    def __init__(self, calls: Sequence[ObservedCall]) -> None:
        self._groups: list[list[ObservedCall]] = []
        for call in calls:
            if call.depth == 0 or not self._groups:
                self._groups.append([])
            self._groups[-1].append(call)
        self.ids = {call.call_id for call in calls if call.depth == 0}

    def take(self, call_id: str) -> list[ObservedCall]:
        index = next((at for at, group in enumerate(self._groups) if group[0].call_id == call_id), None)
        return [] if index is None else self._groups.pop(index)

    def rest(self) -> list[ObservedCall]:
        return [call for group in self._groups for call in group]


def _entries(message: Mapping[str, Any], calls: _Calls) -> Iterator[Entry]:
    role = str(message.get("role", ""))
    if role == "tool" and message.get("tool_call_id") in calls.ids:
        return
    text = _text(message.get("content")) or _text(message.get("refusal"))
    if text:
        yield Said(role, text)
    for sent in message.get("tool_calls") or ():
        yield from calls.take(str(sent.get("id")))


def _text(content: Any) -> str:
    """A message's content: a text, or parts of which those that are no text are shown as data."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "\n".join(str(part["text"]) if _is_text(part) else _as_json(part) for part in content)
    return _as_json(content)


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def _as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
