"""A model service on the loopback interface that is no bottleneck: raw asyncio, and each response is made once.

    python -m benchmarks.server [--latency S] [KIND:COUNT …]      prints its address, and ends when its stdin does

It speaks OpenAI's streamed chat completions. What it plays stands in the user's message, `play KIND COUNT as NAME`:
`rounds 20` is twenty turns with one call each, `fetches 20` the same with the tool that asks over HTTP, `calls 16` one
turn with sixteen, `chunks 5000` no calls; each then ends with a turn of text. It knows where a conversation is by
counting the requests of that NAME, and refuses one that lacks the results of the calls so far. Each event is an HTTP
chunk of its own, as servers that flush token by token send them. What its arguments name is made beforehand.

Beside the model it has `GET /v1/weather`, what the tool asks, and `GET /v1/sent/NAME`, the bytes of each request.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import re
import sys
from collections import defaultdict
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from benchmarks.task import weather

ANSWER = "It will rain lightly, at about ten degrees."
WORD = " rain"
TOOL_OF = {"rounds": "get_weather", "fetches": "fetch_weather", "calls": "nap"}
_IN_EACH_RESULT = {"get_weather": b"light rain", "fetch_weather": b"light rain", "nap": b"slept_s"}
_BACKLOG = 4096  # connections that wait to be accepted
_PLAY = re.compile(rb"play (rounds|fetches|calls|chunks) (\d+) as (\w+)")
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
    calling = [list(range(count))] if kind == "calls" else [[number] for number in range(count)]
    return [_response(_calls(TOOL_OF[kind], numbers)) for numbers in calling] + [_response(_text(ANSWER.split(" ")))]


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


class _Service:
    """What was asked so far, and what is answered next."""

    def __init__(self) -> None:
        self._sent: defaultdict[str, list[int]] = defaultdict(list)  # the size of each request of a performance

    def model(self, body: bytes) -> bytes:
        play = _PLAY.search(body)
        if play is None:
            return _refused("400 Bad Request", "no message says what to play")
        kind, count, name = play[1].decode(), int(play[2]), play[3].decode()
        responses = turns(kind, count)
        sent = self._sent[name]
        if len(sent) == len(responses):
            return _refused("409 Conflict", f"{name} has ended")
        due = count if kind == "calls" and sent else len(sent)
        if due and body.count(_IN_EACH_RESULT[TOOL_OF[kind]]) != due:
            return _refused("409 Conflict", f"{name} is to come with {due} results")
        sent.append(len(body))
        return responses[len(sent) - 1]

    def other(self, target: str) -> bytes:
        path, query = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        if path == "/v1/weather":
            return _json(weather(query["city"], int(query["days"]), query["unit"]))
        if path.startswith("/v1/sent/"):
            return _json(self._sent.pop(path.removeprefix("/v1/sent/"), []))
        return _refused("404 Not Found", f"there is no {path}")


def _json(data: Any, status: str = "200 OK") -> bytes:
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _refused(status: str, message: str) -> bytes:
    return _json({"error": {"message": message}}, status)


class _Connection(asyncio.Protocol):
    """Takes requests one after the other. The model answers `latency_s` later."""

    def __init__(self, service: _Service, latency_s: float) -> None:
        self._service = service
        self._latency_s = latency_s
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        if len(self._buffer) < end + 4 + (int(length[1]) if length else 0):
            return
        method, target, _ = bytes(self._buffer[: self._buffer.find(b"\r\n")]).decode().split(" ")
        body = bytes(self._buffer[end + 4 :])
        self._buffer.clear()
        if method == "GET":
            self._transport.write(self._service.other(target))
        elif self._latency_s:
            asyncio.get_running_loop().call_later(self._latency_s, self._transport.write, self._service.model(body))
        else:
            self._transport.write(self._service.model(body))


async def serve(latency_s: float) -> None:
    loop = asyncio.get_running_loop()
    service = _Service()
    server = await loop.create_server(lambda: _Connection(service, latency_s), "127.0.0.1", 0, backlog=_BACKLOG)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds until the model answers")
    parser.add_argument("play", nargs="*", metavar="KIND:COUNT", help="a performance to make beforehand")
    options = parser.parse_args()
    for play in options.play:
        kind, _, count = play.partition(":")
        turns(kind, int(count))
    asyncio.run(serve(options.latency))


if __name__ == "__main__":
    main()
