"""When an http request is made again, and how long it waits before."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from agentrun.tools.network import Answer, NetworkFailure

if TYPE_CHECKING:
    from agentrun.tools.http_request import PreparedRequest

RETRYABLE_STATUSES = frozenset({408, 429, 502, 503, 504})
MAX_RETRY_AFTER_S = 30.0
_BASE_S = 0.2
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"

Sleep = Callable[[float], Awaitable[None]]


class Deadline:
    """When a call's time is up. The engine ends it then; here nothing is begun that couldn't be finished."""

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.end_s = clock() + timeout_s

    def left_s(self) -> float:
        return self.end_s - self._clock()


class Exchange(NamedTuple):
    """An answer, and the request that it answers: the last of a chain of redirects."""

    request: PreparedRequest
    answer: Answer


async def with_retries(
    attempt: Callable[[], Awaitable[Exchange]],
    retries: int,
    expects: Callable[[int], bool],
    sleep: Sleep,
    deadline: Deadline | None = None,
) -> Exchange:
    """What an attempt gives, after up to `retries` others that failed in a way that may pass.

    An answer that would have to wait beyond the deadline is the last one: it says more than that the time is up.
    """
    for number in range(retries):
        wait_s = backoff_s(number)
        try:
            done = await attempt()
        except NetworkFailure as failure:
            if not failure.retryable:
                raise
        else:
            status, asked_s = done.answer.status, asked_wait_s(done.answer)
            if expects(status) or not is_worth_a_retry(status, asked_s):
                return done
            wait_s = wait_s if asked_s is None else asked_s
            if deadline is not None and wait_s >= deadline.left_s():
                return done
        await sleep(wait_s)
    return await attempt()


def backoff_s(attempt: int) -> float:
    """Full jitter under an exponential ceiling; `attempt` counts from 0."""
    return random.uniform(0, _BASE_S * 2**attempt)  # noqa: S311 - spreads load, guards nothing


def asked_wait_s(answer: Answer) -> float | None:
    return retry_after_s(answer.header("retry-after"), datetime.now(UTC))


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
