"""What a service's error says, wherever it says it.

Pure. Servers agree on little: the message may stand under `error`, `message`, `detail`, in a list or in a text;
the code may be a number or a word; the wait may be a header, a field or part of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

TOOL_USE_FAILED = "tool_use_failed"
MAX_QUOTED_CHARS = 4_000  # far more than is told: it is cut short once secrets are masked
MAX_DEPTH = 6

_WAIT = re.compile(
    r"(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|seconds?|minutes?|hours?|[smh])\b ?)+"
    r"|(?:\d+(?:\.\d+)?(?:ms|[smh]))+)",
    re.IGNORECASE,
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|mil|s|m|h)", re.IGNORECASE)
_UNIT_S = {"ms": 0.001, "mil": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

# A failure inside a stream has no HTTP status: these words in its code or type stand for one.
_STATUS_WORDS = (
    ("rate_limit", 429),
    ("resource_exhausted", 429),
    ("quota", 429),
    ("overloaded", 529),
    ("unavailable", 503),
    ("authentication", 401),
    ("unauthenticated", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("not_found", 404),
    ("policy", 400),
    ("image", 400),
    ("bad_request", 400),
    ("badrequest", 400),
    ("invalid", 400),
    ("context_length", 400),
    (TOOL_USE_FAILED, 400),
)


class Said(msgspec.Struct, frozen=True):
    """What a service's error says, wherever it says it."""

    message: str = ""
    code: str = ""
    status: int | None = None
    generation: str = ""
    retry_after_s: float | None = None


def one_line(text: str, max_chars: int = MAX_QUOTED_CHARS) -> str:
    line = " ".join(text[: max_chars * 4].split())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def read_error(data: Any) -> Said:
    """The error in a decoded body or event. Anything may come in."""
    for _ in range(MAX_DEPTH):
        if isinstance(data, list) and data:
            data = data[0]
        elif isinstance(data, dict) and isinstance(data.get("error") or data.get("errors"), (dict, list)):
            data = data.get("error") or data["errors"]
    if not isinstance(data, dict):
        return Said(message=data if isinstance(data, str) else "")
    message = _text(data.get("message") or data.get("detail") or data.get("error"))
    metadata = data.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
        message = f"{message}: {metadata['raw']}"  # OpenRouter keeps the provider's own words there
    words = [word for key in ("code", "type", "status") if isinstance(word := data.get(key), str) and word]
    status = next((number for key in ("code", "status") if (number := _http_status(data.get(key)))), None)
    return Said(
        message=message,
        code=next((word for word in words if not word.isdigit()), ""),
        status=status or _status_of_words(" ".join(words)),
        generation=_text(data.get("failed_generation")),
        retry_after_s=_retry_info_s(data.get("details")) or _stated_wait_s(message),
    )


def _text(value: Any, depth: int = MAX_DEPTH) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return "; ".join(filter(None, (_text(item, depth - 1) for item in value)))
    if isinstance(value, dict) and depth:
        return _text(value.get("message") or value.get("msg") or value.get("detail") or value.get("error"), depth - 1)
    return ""


def _http_status(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else None


def _status_of_words(words: str) -> int | None:
    words = words.lower()
    return next((status for word, status in _STATUS_WORDS if word in words), None)


def _retry_info_s(details: Any) -> float | None:
    """Google's RetryInfo: `{"@type": "…RetryInfo", "retryDelay": "34s"}`."""
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("retryDelay"), str):
            return _duration_s(detail["retryDelay"])
    return None


def _stated_wait_s(message: str) -> float | None:
    found = _WAIT.search(message[:10_000])
    return _duration_s(found[1]) if found else None


def _duration_s(text: str) -> float | None:
    parts = _DURATION.findall(text)
    return sum(float(number) * _UNIT_S[unit.lower()] for number, unit in parts) if parts else None


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """The wait that the headers ask for; their names are in lower case. `now_s` is Unix time."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,12}(\.\d+)?", value):
            return float(value) * unit_s
        if value and unit_s == 1.0:
            try:
                return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
            except ValueError:
                continue
    return None
