"""A tool's result as the text that the model gets: JSON or text, bounded, the gap stated.

Cuts fall between characters as people see them: an accent stays with its letter, and a family of emoji together.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

# Characters of one member of a failure. Its end says more than its beginning: what a command said last.
_FAILURE_CHARS = 4_000
_SHORTEST = 60
_BRIEF_CHARS = 1_000
_ZWJ = "\u200d"
_LONGEST_CLUSTER = 32  # a text may consist of nothing but accents

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_text(value: Any) -> str:
    """Text as it is, data as compact JSON. Half a surrogate pair becomes `?`: it can't be sent."""
    text = value if isinstance(value, str) else _compact(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def sendable(value: Any) -> Any:
    """Data whose texts can all be sent, as `as_text` makes them."""
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, dict):
        return {sendable(name): sendable(child) for name, child in value.items()}
    return [sendable(child) for child in value] if isinstance(value, list) else value


def cut(text: str, max_chars: int) -> str:
    """Head and tail of a long text, at most `max_chars` in all, with the gap stated between them."""
    return _cut(text, max_chars, tail=1 / 3)


def brief(text: str) -> str:
    """The beginning of what a service said, once it is masked."""
    return text if len(text) <= _BRIEF_CHARS else text[: _boundary(text, _BRIEF_CHARS - 1, -1)] + "…"


def shortened(failure: dict[str, Any], max_chars: int) -> dict[str, Any]:
    """`{"error": {…}}` with each long member cut by itself, so that the whole stays JSON where it fits at all.

    A member that is long data becomes text: half of it would be no data any more.
    """
    limit = _FAILURE_CHARS
    while True:
        error = {name: _short(value, limit) for name, value in failure["error"].items()}
        limit //= 2
        if limit < _SHORTEST or len(as_text({"error": error})) <= max_chars:
            return {"error": error}


def _short(value: Any, limit: int) -> Any:
    text = as_text(value)
    return value if len(text) <= limit else _cut(text, limit, tail=2 / 3)


def _cut(text: str, max_chars: int, *, tail: float) -> str:
    if len(text) <= max_chars:
        return text
    room = max(max_chars - len(_marker(len(text), len(text))), 0)
    behind = int(room * tail)
    end, start = _boundary(text, room - behind, -1), _boundary(text, len(text) - behind, 1)
    return text[:end] + _marker(start - end, len(text)) + text[start:]


def _marker(gap: int, whole: int) -> str:
    return f"\n[… {gap:,} of {whole:,} characters left out …]\n"


def _boundary(text: str, at: int, step: int) -> int:
    """The nearest place, in the direction of `step`, that is not inside a character."""
    for place in range(at, at + step * _LONGEST_CLUSTER, step):
        if not 0 < place < len(text):
            return max(0, min(place, len(text)))
        if not _joined(text, place):
            return place
    return at


def _joined(text: str, at: int) -> bool:
    """Whether what stands before `at` and what stands behind it are one character."""
    before, behind = text[at - 1], text[at]
    if before.isascii() and behind.isascii():
        return before == "\r" and behind == "\n"
    if behind == _ZWJ or before == _ZWJ or unicodedata.category(behind) in ("Mn", "Me", "Mc"):
        return True
    if "\U0001f3fb" <= behind <= "\U0001f3ff":  # a skin colour
        return True
    return _is_flag_half(before) and _is_flag_half(behind) and _flag_halves_before(text, at) % 2 == 1


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_halves_before(text: str, at: int) -> int:
    count = 0
    while count < min(at, _LONGEST_CLUSTER) and _is_flag_half(text[at - count - 1]):
        count += 1
    return count
