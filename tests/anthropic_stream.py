"""Turns as Anthropic's Messages API streams them: its documented events, for the server of `servers.py`."""

from __future__ import annotations

import json
from typing import Any

from servers import Response, reply_json


def named(*events: dict[str, Any]) -> Response:
    """A stream of these events, each under its own name."""
    return Response([f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events])


def start(**usage: int) -> dict[str, Any]:
    counts = {"input_tokens": 10, "output_tokens": 1, **usage}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude-x"}
    return {"type": "message_start", "message": {**message, "stop_reason": None, "usage": counts}}


def block(index: int, begin: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": begin},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": one} for one in pieces))


def thinking(words: str, signature: str = "c2ln", index: int = 0) -> list[dict[str, Any]]:
    deltas = [{"type": "thinking_delta", "thinking": words}, {"type": "signature_delta", "signature": signature}]
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *deltas)


def call(name: str, arguments: Any, call_id: str, index: int = 0) -> list[dict[str, Any]]:
    """Arguments may be raw text. They come in three pieces, the first of them empty, as the service sends them."""
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    half = len(raw) // 2
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", raw[:half], raw[half:])]
    return block(index, {"type": "tool_use", "id": call_id, "name": name, "input": {}}, *deltas)


def stop(reason: str | None, output_tokens: int = 5, **more: Any) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None, **more}
    end = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output_tokens}}
    return [end, {"type": "message_stop"}]


PING = {"type": "ping"}


def said(*pieces: str, reason: str = "end_turn") -> Response:
    """A whole turn of text."""
    return named(start(), PING, *text(*pieces), *stop(reason))


def error_event(kind: str, message: str = "scripted") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def refused(code: int, kind: str, message: str = "scripted", *, headers: dict[str, str] | None = None) -> Response:
    return reply_json(error_event(kind, message), code, headers)
