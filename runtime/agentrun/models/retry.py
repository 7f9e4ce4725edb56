"""Asking again: after a failure that may pass the same model, then the next one.

The schedule is a pure function; `Retrying` acts on it. This is the only place that retries. Whether a failure
may pass was decided where it happened; a reply that was cut never gets here as a reply.
"""

from __future__ import annotations

import asyncio
import random as randomness
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from agentrun.engine.messages import Reply, Request, user
from agentrun.engine.ports import FallbackProgress, Model, Progress, RetryProgress, Tell, TextProgress
from agentrun.errors import ModelError
from agentrun.models.assemble import EMPTY_REPLY
from agentrun.models.error_body import one_line
from agentrun.models.failures import ToolUseFailed

BASE_DELAY_S = 0.5
MAX_DELAY_S = 30.0
MAX_RETRY_AFTER_S = 60.0
MAX_EMPTY_RETRIES = 1
MAX_QUOTED_CHARS = 2000


def next_delay_s(failure: ModelError, attempt: int, max_retries: int, random: Callable[[], float]) -> float | None:
    """How long to wait after the failed `attempt` (from 1), or None to give up."""
    if not failure.retryable or attempt > max_retries:
        return None
    if failure.code == EMPTY_REPLY:
        return 0.0  # waiting does not help a model that has nothing to say
    if failure.retry_after_s is not None:
        return failure.retry_after_s if failure.retry_after_s <= MAX_RETRY_AFTER_S else None
    return random() * min(MAX_DELAY_S, BASE_DELAY_S * 2.0 ** min(attempt - 1, 10))


class Retrying:
    """Models in order behind one `Model`. `max_retries` is one number, or one per model.

    `can_take_back` False: the consumer has already shown the text it was told, on a terminal for instance.
    Then an attempt that told text is the last one.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        max_retries: Sequence[int] | int = 4,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
        can_take_back: bool = True,
    ) -> None:
        counts = [max_retries] * len(models) if isinstance(max_retries, int) else max_retries
        self.name = models[0].name
        self._models = list(zip(models, counts, strict=True))
        self._sleep = sleep
        self._random = random
        self._can_take_back = can_take_back

    async def complete(self, request: Request, tell: Tell) -> Reply:
        given_up: list[_GivenUp] = []
        for model, max_retries in self._models:
            if given_up:
                tell(FallbackProgress(model.name, given_up[-1].failure.message))
            outcome = await self._ask(model, max_retries, request, tell)
            if isinstance(outcome, Reply):
                return msgspec.structs.replace(outcome, model_index=len(given_up)) if given_up else outcome
            given_up.append(outcome)
            if outcome.text_was_shown:
                break
        raise _summed_up(given_up) from given_up[-1].failure

    async def _ask(self, model: Model, max_retries: int, request: Request, tell: Tell) -> Reply | _GivenUp:
        """One model, as often as its failures allow."""
        text_was_shown = False

        def watched(progress: Progress) -> None:
            nonlocal text_was_shown
            text_was_shown = text_was_shown or isinstance(progress, TextProgress)
            tell(progress)

        corrected = False
        empty_replies = 0
        attempt = 0
        while True:
            attempt += 1
            try:
                return await model.complete(request, tell if self._can_take_back else watched)
            except ModelError as error:
                failure = error
            if text_was_shown:
                return _GivenUp(model.name, failure, attempt, text_was_shown=True)
            empty_replies += failure.code == EMPTY_REPLY
            if isinstance(failure, ToolUseFailed) and not corrected:
                corrected = True
                request = _with_correction(request, failure)
                delay_s: float | None = 0.0
            elif empty_replies > MAX_EMPTY_RETRIES and failure.code == EMPTY_REPLY:
                delay_s = None
            else:
                delay_s = next_delay_s(failure, attempt, max_retries, self._random)
            if delay_s is None:
                return _GivenUp(model.name, failure, attempt)
            tell(RetryProgress(attempt, failure.message, delay_s))
            await self._sleep(delay_s)


class _GivenUp(NamedTuple):
    name: str
    failure: ModelError
    attempts: int
    text_was_shown: bool = False


def _with_correction(request: Request, failure: ToolUseFailed) -> Request:
    """One more message, for the next attempts only: the history never sees it."""
    quoted = one_line(failure.generation or failure.message, MAX_QUOTED_CHARS)
    note = user(
        f"Your last tool call could not be read: {quoted}\n"
        "Call the tool again in the form that the API defines, with arguments as one JSON object."
    )
    return msgspec.structs.replace(request, messages=[*request.messages, note])


def _summed_up(given_up: Sequence[_GivenUp]) -> ModelError:
    """One error for all models. What to do about it is said for the first: it is the one that was wanted."""
    first = given_up[0].failure
    return ModelError(
        "; then ".join(map(_in_words, given_up)),
        help=first.help,
        code=first.code,
        status=first.status,
        retryable=first.retryable,
        retry_after_s=first.retry_after_s,
    )


def _in_words(given_up: _GivenUp) -> str:
    words = f"{given_up.name}: {given_up.failure.message}"
    if given_up.attempts > 1:
        words += f" (after {given_up.attempts} attempts)"
    if given_up.text_was_shown:
        words += " (not asked again, because text was already shown)"
    wait_s = given_up.failure.retry_after_s
    if wait_s is not None and wait_s > MAX_RETRY_AFTER_S:
        words += f"; it asks to come back in {_duration(wait_s)}"
    return words


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
