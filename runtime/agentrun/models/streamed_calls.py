"""Tool calls while they stream in: which call a delta belongs to, and what a call is in the end.

Pure, and the only place that knows how servers differ here: without an index, all at index 0, ids repeated,
empty, new in each turn or missing, arguments as text, as an object, in one piece or in many.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection
from typing import Any

from agentrun.engine.messages import ToolCall, encode, is_json_object
from agentrun.engine.ports import CallProgress
from agentrun.models.deltas import merge

_CALL_FIELDS = frozenset({"index", "id", "type", "function"})


class StreamedCall:
    """A call while it streams in. `arguments` are pieces of JSON text."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.extras: dict[str, Any] = {}

    @property
    def text(self) -> str:
        return "".join(self.arguments).strip()

    @property
    def is_whole(self) -> bool:
        return is_json_object(self.text)

    def as_call(self) -> ToolCall:
        return ToolCall(self.id, self.name, "{}" if self.text in ("", "null") else self.text)

    def as_sent(self) -> dict[str, Any]:
        """The call as it is sent back."""
        return {**ToolCall(self.id, self.name, self.text).chat_form(), **self.extras}


class StreamedCalls:
    """Calls in arrival order, and which of them a delta belongs to."""

    def __init__(self) -> None:
        self._all: list[StreamedCall] = []
        self._by_index: dict[int, StreamedCall] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, delta: dict[str, Any], *, whole: bool) -> CallProgress:
        function = delta.get("function")
        function = function if isinstance(function, dict) else {}
        index = delta.get("index")
        call_id = _word(delta.get("id"))
        name = _word(function.get("name"))
        call = None if whole else self._open_call(index, call_id, name)
        if call is None:
            call = StreamedCall(len(self._all))
            self._all.append(call)
        if isinstance(index, int):
            self._by_index[index] = call
        call.id = call.id or call_id
        call.name = call.name or name
        arguments = function.get("arguments")
        piece = encode(arguments).decode() if isinstance(arguments, dict) else _word(arguments)
        call.arguments.append(piece)
        merge(call.extras, delta, _CALL_FIELDS)
        return CallProgress(call.position, call.name, piece)

    def _open_call(self, index: Any, call_id: str, name: str) -> StreamedCall | None:
        """The call that a delta extends, or None if it opens a new one."""
        if isinstance(index, int):
            call = self._by_index.get(index)
            is_other = call is not None and call_id not in ("", call.id) and name and (call.id or call.name)
            return None if is_other else call
        if not self._all:
            return None
        last = self._all[-1]
        if call_id:
            known = next((call for call in self._all if call.id == call_id), None)
            return known or (None if name else last)
        if name and (last.is_whole or (last.name and name != last.name)):
            return None
        return last

    def closed(self, turn: int, used_ids: Collection[str]) -> list[StreamedCall]:
        """The calls, each with an id that is unique in the conversation. Asked once, at the end."""
        received = {call.id for call in self._all}
        taken: set[str] = set()
        for call in self._all:
            if not call.id or call.id in taken or call.id in used_ids:
                call.id = next(
                    made
                    for salt in itertools.count()
                    if (made := made_id(turn, call.position, salt)) not in taken
                    and made not in received
                    and made not in used_ids
                )
            taken.add(call.id)
        return self._all


def made_id(turn: int, position: int, salt: int = 0) -> str:
    """Nine alphanumerics, as Mistral wants them, the same whenever the same turn is assembled again."""
    return hashlib.sha256(f"{turn}/{position}/{salt}".encode()).hexdigest()[:9]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
