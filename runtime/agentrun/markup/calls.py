"""A tool call, and what the model was told of it, each on one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentrun.visible import one_line

CALL_CHARS = 160


def call_line(name: str, arguments: Mapping[str, Any] | None) -> str:
    """`find_order(order_id="7")`; only the name where the arguments are not known."""
    if arguments is None:
        return one_line(name, CALL_CHARS)
    listed = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items())
    return one_line(f"{name}({listed})", CALL_CHARS)


def failure_text(result: str) -> str:
    """`{"error": {"type", "message"}}` as a person reads it; a longer result may have been cut and is no JSON."""
    try:
        error = json.loads(result)["error"]
        return f"{error['type']}: {error['message']}"
    except (ValueError, LookupError, TypeError):
        return result


def duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
