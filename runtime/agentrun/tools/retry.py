"""When an http tool asks again, and how long it waits. Pure."""

from __future__ import annotations

import random
from datetime import UTC, datetime

RETRYABLE_STATUSES = frozenset({408, 429, 502, 503, 504})
MAX_RETRY_AFTER_S = 30.0
_BASE_S = 0.2
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"


def backoff_s(attempt: int) -> float:
    """Full jitter under an exponential ceiling; `attempt` counts from 0."""
    return random.uniform(0, _BASE_S * 2**attempt)  # noqa: S311 - spreads load, guards nothing


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for, given as a number or a date; None if it says nothing."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = datetime.strptime(text, _HTTP_DATE).replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, (when - now).total_seconds())


def is_worth_a_retry(status: int, asked_s: float | None) -> bool:
    """Not where the server asks for a longer wait than a call should take."""
    return status in RETRYABLE_STATUSES and (asked_s is None or asked_s <= MAX_RETRY_AFTER_S)
