"""How values are shown in messages, in a few words, and beside each other, in full."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from agentrun.spec.nodes import Route

_BRIEF_CHARS = 60
_EXACT = 2.0**53


def brief(value: Any) -> str:
    """A value in a message: as JSON, on one line, cut where it is long."""
    if isinstance(value, str) and len(value) > _BRIEF_CHARS:
        value = value[:_BRIEF_CHARS] + "…"
    text = json.dumps(canonical(value), ensure_ascii=False)
    return text if len(text) <= 2 * _BRIEF_CHARS else text[: 2 * _BRIEF_CHARS] + "…"


def is_brief(text: str) -> bool:
    return len(text) <= _BRIEF_CHARS and "\n" not in text


def pretty(value: Any) -> str:
    """Data to be compared line by line: what is equal looks equal, whatever the order of its keys."""
    return json.dumps(canonical(value), ensure_ascii=False, indent=2, sort_keys=True)


def compact(value: Any) -> str:
    return json.dumps(canonical(value), ensure_ascii=False, sort_keys=True)


def canonical(value: Any) -> Any:
    """`1.0` is `1`, as JSON Schema has it."""
    if isinstance(value, dict):
        return {key: canonical(child) for key, child in value.items()}
    if isinstance(value, list):
        return [canonical(child) for child in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT else value


def path(route: Route) -> str:
    """`items[0].name`, as a person writes it."""
    text = ""
    for step in route:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def joined(parts: Iterable[str], most: int = 5, between: str = "; ") -> str:
    listed = list(parts)
    more = f"{between}and {len(listed) - most} more" if len(listed) > most else ""
    return between.join(listed[:most]) + more


def listed(values: Iterable[str]) -> str:
    return joined(values, most=8, between=", ")


def tools(names: Iterable[str]) -> str:
    return listed(f"`{name}`" for name in names)


def kind_of(value: Any) -> str:
    """What JSON data is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else "a number"
