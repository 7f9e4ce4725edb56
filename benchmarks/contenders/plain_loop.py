"""The loop of the contenders without a typed layer: messages serialised once, chunks as plain dicts, no checks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.contenders import Told
from benchmarks.task import MODEL, SYSTEM_PROMPT, TOOLS, AsyncFunction, Function

AT_ONCE = 16


class Conversation:
    """The messages so far as JSON; `body` joins them with the constant rest of a request."""

    def __init__(self, question: str) -> None:
        self._messages: list[bytes] = []
        self.add({"role": "system", "content": SYSTEM_PROMPT})
        self.add({"role": "user", "content": question})

    def add(self, message: dict[str, Any]) -> None:
        self._messages.append(_dumps(message))

    def body(self) -> bytes:
        return b'{"model":"%b","messages":[%b],%b' % (MODEL.encode(), b",".join(self._messages), _TAIL)


class Turn:
    """One turn of the model: feed it bytes as they arrive."""

    def __init__(self, told: Told) -> None:
        self.calls: dict[int, dict[str, Any]] = {}
        self._text: list[str] = []
        self._told = told
        self._rest = b""

    @property
    def text(self) -> str:
        return "".join(self._text)

    def feed(self, piece: bytes) -> None:
        *events, self._rest = (self._rest + piece).split(b"\n\n")
        for event in events:
            if event != b"data: [DONE]":
                self._add(json.loads(event[6:]))

    def _add(self, chunk: dict[str, Any]) -> None:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            if content := delta.get("content"):
                self._text.append(content)
                self._told(content)
            for part in delta.get("tool_calls") or ():
                call = self.calls.setdefault(part["index"], part)
                if call is not part:
                    call["function"]["arguments"] += part["function"]["arguments"]

    def message(self) -> dict[str, Any]:
        calls = [{key: value for key, value in call.items() if key != "index"} for call in self.calls.values()]
        return {"role": "assistant", "content": self.text or None, "tool_calls": calls}


def converse(
    question: str, take_turn: Callable[[bytes], Turn], tools: Mapping[str, Function], pool: ThreadPoolExecutor
) -> str:
    """The whole conversation without an event loop; `take_turn` gets the body of a request."""

    def run(call: dict[str, Any]) -> dict[str, Any]:
        return tool_message(call["id"], tools[call["function"]["name"]](**_arguments(call)))

    conversation = Conversation(question)
    while True:
        turn = take_turn(conversation.body())
        if not turn.calls:
            return turn.text
        conversation.add(turn.message())
        calls = list(turn.calls.values())
        for message in [run(calls[0])] if len(calls) == 1 else pool.map(run, calls):
            conversation.add(message)


async def converse_async(
    question: str, take_turn: Callable[[bytes], Awaitable[Turn]], tools: Mapping[str, AsyncFunction]
) -> str:
    """The same in an event loop."""

    async def run(call: dict[str, Any]) -> dict[str, Any]:
        return tool_message(call["id"], await tools[call["function"]["name"]](**_arguments(call)))

    conversation = Conversation(question)
    while True:
        turn = await take_turn(conversation.body())
        if not turn.calls:
            return turn.text
        conversation.add(turn.message())
        calls = list(turn.calls.values())
        messages = [await run(calls[0])] if len(calls) == 1 else await asyncio.gather(*map(run, calls))
        for message in messages:
            conversation.add(message)


def tool_message(call_id: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": _dumps(result).decode()}


def _arguments(call: dict[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = json.loads(call["function"]["arguments"])
    return arguments


def _dumps(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


_TAIL = _dumps({"tools": TOOLS, "stream": True, "stream_options": {"include_usage": True}})[1:]
