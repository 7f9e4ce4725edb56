"""Regular expressions of a test's author on a text of a model: no pair of the two may hang a run.

Python's engine can take for ever. A timer of processor time ends it; timers belong to the main thread, so that there is
no limit in others. It is the timer that neither asyncio nor pytest's time limits use.
"""

from __future__ import annotations

import re
import signal
import threading
import warnings
from functools import lru_cache
from typing import Any, NoReturn

LIMIT_S = 2.0
_NEXT_LIMIT_S = 0.02  # of a pattern that once was not done in time: the calls of a case may be many
_CHARS_PER_S = 2_000_000  # a slow search that ends
_slow: set[str] = set()


class PatternError(Exception):
    """A pattern is none, or takes too long."""


class _TookTooLong(Exception):
    pass


def is_found(pattern: str, text: str, *, limit_s: float = LIMIT_S) -> bool:
    """Whether a pattern matches anywhere in a text. Raises `PatternError`."""
    compiled = _compiled(pattern)
    if pattern in _slow:
        limit_s = min(limit_s, _NEXT_LIMIT_S + len(text) / _CHARS_PER_S)
    if threading.current_thread() is not threading.main_thread():
        return compiled.search(text) is not None
    before = signal.signal(signal.SIGVTALRM, _give_up)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
        try:
            return compiled.search(text) is not None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TookTooLong:
        _slow.add(pattern)
        message = f"the pattern was not done after {limit_s:g} s on a text of {len(text)} characters"
        raise PatternError(message) from None
    finally:
        signal.signal(signal.SIGVTALRM, before)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `validate` tells them
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"`matches` is no regular expression: {error}") from None


def _give_up(number: int, frame: Any) -> NoReturn:
    raise _TookTooLong
