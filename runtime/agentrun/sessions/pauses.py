"""Long work on a database gives way to those who only want to write a little."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

_MOST_S = 0.2


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """A piece of the work, and as long a pause: who waits for the lock asks now and then, and must find it free."""
    began = time.monotonic()
    yield
    time.sleep(min(time.monotonic() - began, _MOST_S))
