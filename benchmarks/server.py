"""A model service on the loopback interface that is no bottleneck: raw asyncio, and each response is made once.

    python -m benchmarks.server [KIND:COUNT …]      prints its address, and ends when its stdin does

It speaks OpenAI's streamed chat completions. What it plays stands in the user's message, `play KIND COUNT as NAME`:
`rounds 20` is twenty turns with one call each, `calls 16` one turn with sixteen, `chunks 5000` no calls; each then ends
with a turn of text. It knows where a conversation is by counting the requests of that NAME. Each event is an
HTTP chunk of its own, as servers that flush token by token send them. What its arguments name is made beforehand.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import sys
from collections import Counter
from typing import Any, cast

ANSWER = "It will rain lightly, at about ten degrees."
WORD = " rain"
_PLAY = re.compile(rb"play (rounds|calls|chunks) (\d+) as (\w+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_CITIES = ("Oslo", "Bergen", "Tromsø", "Aarhus", "Malmö")


def question(kind: str, count: int, name: str) -> str:
    """A user's message that asks for a performance. `name` is new for each one."""
    return f"What will the weather be? play {kind} {count} as {name}"


def answer(kind: str, count: int) -> str:
    """The text that the conversation ends with."""
    return WORD * count if kind == "chunks" else ANSWER


@functools.cache
def turns(kind: str, count: int) -> list[bytes]:
    """The responses of a performance, one for each request."""
    if kind == "chunks":
        return [_response(_text([WORD] * count))]
    calling = [[number] for number in range(count)] if kind == "rounds" else [list(range(count))]
    tool = "get_weather" if kind == "rounds" else "nap"
    return [_response(_calls(tool, numbers)) for numbers in calling] + [_response(_text(ANSWER.split(" ")))]


def _arguments(tool: str, number: int) -> dict[str, Any]:
    if tool == "nap":
        return {"number": number}
    return {"city": _CITIES[number % len(_CITIES)], "days": number + 1, "unit": "celsius"}


def _calls(tool: str, numbers: list[int]) -> list[dict[str, Any]]:
    """Calls as OpenAI streams them: the name first, then the arguments in pieces of about one token."""
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": None}, None)]
    for index, number in enumerate(numbers):
        opening = {"name": tool, "arguments": ""}
        call = {"index": index, "id": f"call_{number:024}", "type": "function", "function": opening}
        deltas.append(({"tool_calls": [call]}, None))
        for piece in re.findall(r".{1,5}", json.dumps(_arguments(tool, number), ensure_ascii=False)):
            deltas.append(({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None))
    return [_chunk(*delta) for delta in [*deltas, ({}, "tool_calls")]]


def _text(pieces: list[str]) -> list[dict[str, Any]]:
    spaced = [piece if index == 0 or piece.startswith(" ") else f" {piece}" for index, piece in enumerate(pieces)]
    opening = _chunk({"role": "assistant", "content": "", "refusal": None}, None)
    return [opening, *(_chunk({"content": piece}, None) for piece in spaced), _chunk({}, "stop")]


def _chunk(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-Bq7nPbXKqJtA3mYw2dVh5sLr",
        "object": "chat.completion.chunk",
        "created": 1750000000,
        "model": "bench-model-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_51e1070cf2",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        "usage": None,
    }


def _response(chunks: list[dict[str, Any]]) -> bytes:
    counts = {"prompt_tokens": 120, "completion_tokens": len(chunks), "total_tokens": 120 + len(chunks)}
    last = {**_chunk({}, None), "choices": [], "usage": counts}
    events = [json.dumps(chunk, ensure_ascii=False, separators=(",", ":")) for chunk in [*chunks, last]]
    frames = [f"data: {event}\n\n".encode() for event in [*events, "[DONE]"]]
    return _HEAD + b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames) + b"0\r\n\r\n"


class _Connection(asyncio.Protocol):
    """Takes requests one after the other. `played` counts those of each performance."""

    def __init__(self, played: Counter[bytes]) -> None:
        self._played = played
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        if length is None or len(self._buffer) < end + 4 + int(length[1]):
            return
        body = bytes(self._buffer[end + 4 :])
        self._buffer.clear()
        self._transport.write(self._next(body))

    def _next(self, body: bytes) -> bytes:
        play = _PLAY.search(body)
        if play is None:
            return b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
        name = play[3]
        self._played[name] += 1
        responses = turns(play[1].decode(), int(play[2]))
        if self._played[name] > len(responses):
            return b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n"
        return responses[self._played[name] - 1]


async def serve() -> None:
    loop = asyncio.get_running_loop()
    played: Counter[bytes] = Counter()
    server = await loop.create_server(lambda: _Connection(played), "127.0.0.1", 0)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    for play in sys.argv[1:]:
        turns(play.partition(":")[0], int(play.partition(":")[2]))
    asyncio.run(serve())
