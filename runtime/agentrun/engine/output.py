"""A tool's result as the text that the model gets: JSON or text, bounded, the gap stated."""

from __future__ import annotations

import json
from typing import Any


def as_text(value: Any) -> str:
    """Text as it is, data as compact JSON. Half a surrogate pair becomes `?`: it can't be sent."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def cut(text: str, max_chars: int) -> str:
    """Head and tail of a long text, at most `max_chars` in all, with the gap stated between them."""
    if len(text) <= max_chars:
        return text
    room = max(max_chars - len(_marker(len(text), len(text))), 0)
    tail = room // 3
    head = room - tail
    return text[:head] + _marker(len(text) - room, len(text)) + text[len(text) - tail :]


def _marker(gap: int, whole: int) -> str:
    return f"\n[… {gap:,} of {whole:,} characters left out …]\n"
