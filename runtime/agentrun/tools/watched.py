"""One request of an http tool, told to whoever watches: that it goes out, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from agentrun.engine.exchange import OnExchange, ToolFailed, ToolReceived, ToolSent
from agentrun.errors import ToolFailure

if TYPE_CHECKING:
    from agentrun.tools.network import Answer
    from agentrun.tools.url import Url


@contextlib.contextmanager
def told(
    watch: OnExchange | None,
    method: str,
    address: Url,
    headers: Sequence[tuple[str, str]],
    content: bytes | None,
    *,
    hidden: str | None,
) -> Iterator[Callable[[Answer], None]]:
    """Around the request; call it with the answer. `hidden` is a query entry whose value is told to nobody."""
    if watch is None:
        yield lambda _: None
        return
    url, started = address.shown(hidden), time.monotonic()
    sent_as = next((value for name, value in headers if name.lower() == "content-type"), "")
    watch(ToolSent(method, url, tuple(name for name, _ in headers), sent_as, content or b""))

    def answered(answer: Answer) -> None:
        came_as, size_bytes = answer.header("content-type") or "", len(answer.content)
        watch(ToolReceived(method, url, answer.status, came_as, size_bytes, time.monotonic() - started))

    try:
        yield answered
    except (ToolFailure, asyncio.CancelledError) as error:
        cause = error.message if isinstance(error, ToolFailure) else "ended before an answer came"
        watch(ToolFailed(method, url, time.monotonic() - started, cause))
        raise
