"""What a database gives back, taken with care: another program may have changed it, or a disk may have lost some of it.

A session is mended as far as it can be: it must be listed to be deleted. A message is taken as it is or not at all:
where one is left out, nobody would know what the model did not see. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from agentrun.sessions.session import Session

_MOST_DEPTH = 200  # what a model writes is no deeper than 64
_LAST_TIME = 253_000_000_000.0  # in the year 9987: later ones are no dates
_TEXTS = ("id", "agent", "path", "root", "speaker", "title")


class _Call(msgspec.Struct):
    id: str
    function: dict[str, Any]


class _Message(msgspec.Struct):
    """As far as agentrun looks into one. What else a service wrote is its own."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[_Call] | None = None
    anthropic_content: list[dict[str, Any]] | None = None
    responses_output: list[dict[str, Any]] | None = None


class _Text(msgspec.Struct):
    text: str


class _Image(msgspec.Struct):
    image_url: str | dict[str, Any]


class _File(msgspec.Struct):
    file: dict[str, Any]


_PARTS: Mapping[Any, type[msgspec.Struct]] = {"text": _Text, "image_url": _Image, "file": _File}


def message_of(kept: object) -> dict[str, Any]:
    """A message from its JSON. Raises `ValueError` where it is none."""
    try:
        data: object = msgspec.json.decode(kept if isinstance(kept, (str, bytes)) else b"")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    check_message(data)
    assert isinstance(data, dict)  # noqa: S101 - so it was found
    return data


def check_message(data: object) -> None:
    """Raises `ValueError` where the value is no message."""
    if _is_deeper(data, _MOST_DEPTH):
        raise ValueError("it is nested too deeply")
    message = msgspec.convert(data, _Message)
    for part in message.content if isinstance(message.content, list) else ():
        kind = part.get("type")
        if isinstance(kind, str) and kind in _PARTS:
            msgspec.convert(part, _PARTS[kind])


def mended(row: Mapping[Any, Any]) -> Session:
    """A session from its row, whatever stands in it."""
    found = {name: value for name, value in row.items() if name in Session.__struct_fields__}
    found |= {name: text_in(found[name]) for name in _TEXTS}
    found |= {name: _time(found[name]) for name in ("created", "changed")}
    found |= {name: _count(found[name]) for name in ("turns", "total_tokens")}
    found |= {name: None if found[name] is None else text_in(found[name]) for name in ("model", "forked_from")}
    cost = found["cost_usd"]
    found["cost_usd"] = float(cost) if isinstance(cost, (int, float)) and math.isfinite(cost) else None
    return Session(**{**found, "arguments": _arguments(found["arguments"])})


def text_in(value: object) -> str:
    """What stands in a column of text: SQLite takes anything there."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else str(value)


def _time(value: object) -> float:
    return min(max(0.0, float(value)), _LAST_TIME) if isinstance(value, (int, float)) else 0.0


def _count(value: object) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _arguments(kept: object) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text_in(kept), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}
    return {} if _is_deeper(found, _MOST_DEPTH) else found


def _is_deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
