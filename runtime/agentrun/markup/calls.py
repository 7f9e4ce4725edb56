"""A tool call, and what the model was told of it, each on one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentrun.visible import one_line

CALL_CHARS = 160
_LEAST_CHARS = 8  # of a value that is cut


def call_line(name: str, arguments: Mapping[str, Any] | None, max_chars: int = CALL_CHARS) -> str:
    """`find_order(order_id="7")`; only the name where the arguments are not known.

    Where it is too long, the longest values are cut, all to the same length: each argument is seen as long as there is
    room for it.
    """
    if arguments is None:
        return one_line(name, max_chars)
    keys = [one_line(str(key), CALL_CHARS) for key in arguments]
    values = [
        one_line(json.dumps(value, ensure_ascii=False), max(CALL_CHARS, max_chars)) for value in arguments.values()
    ]
    around = len(one_line(name, CALL_CHARS)) + 2 + sum(len(key) + 1 for key in keys) + 2 * max(0, len(keys) - 1)
    most = _fair_share([len(value) for value in values], max_chars - around)
    listed = ", ".join(f"{key}={_cut(value, most)}" for key, value in zip(keys, values, strict=True))
    return one_line(f"{one_line(name, CALL_CHARS)}({listed})", max_chars)


def failure_text(result: str) -> str:
    """`{"error": {"type", "message"}}` as a person reads it; a longer result may have been cut and is no JSON."""
    try:
        error = json.loads(result)["error"]
        return f"{error['type']}: {error['message']}"
    except (ValueError, LookupError, TypeError, RecursionError):
        return result


def duration(seconds: float) -> str:
    """As people say it: `840 ms`, `1.2 s`, `2 min 5 s`, `1 h 7 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """So many bytes, as people say it: `840 B`, `1.2 KB`."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} KB" if count < 999_950 else f"{count / 1_000_000:.1f} MB"


def _fair_share(lengths: list[int], room: int) -> int:
    """How long each may be, so that all together are not longer than the room, and the short ones are not cut."""
    for position, length in enumerate(sorted(lengths)):
        waiting = len(lengths) - position
        if length * waiting > room:
            return max(_LEAST_CHARS, room // waiting)
        room -= length
    return max(lengths, default=0)


def _cut(value: str, most: int) -> str:
    """A text keeps its closing quote."""
    if len(value) <= most:
        return value
    return f'{value[: most - 2]}…"' if value[0] == '"' else f"{value[: most - 1]}…"
