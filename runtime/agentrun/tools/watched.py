"""One request of a tool, told to whoever watches: that it goes out, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from agentrun.engine.exchange import Exchange, OnExchange, ToolFailed, ToolReceived, ToolSent
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
    telling = Telling(watch, method, address.shown(hidden), headers, content)
    try:
        yield lambda answer: telling.received(answer.status, answer.header("content-type") or "", len(answer.content))
    except (ToolFailure, asyncio.CancelledError) as error:
        telling.failed(error)
        raise


class Telling:
    """Made when the request goes out; it ends with `received` or `failed`, of which only the first is told."""

    def __init__(
        self, watch: OnExchange, method: str, url: str, headers: Sequence[tuple[str, str]], content: bytes | None
    ) -> None:
        self._watch = watch
        self._method = method
        self._url = url
        self._started = time.monotonic()
        self._is_open = True
        sent_as = next((value for name, value in headers if name.lower() == "content-type"), "")
        watch(ToolSent(method, url, tuple(name for name, _ in headers), sent_as, content or b""))

    def received(self, status: int, content_type: str, size_bytes: int) -> None:
        took_s = time.monotonic() - self._started
        self._end(ToolReceived(self._method, self._url, status, content_type, size_bytes, took_s))

    def failed(self, error: ToolFailure | asyncio.CancelledError) -> None:
        cause = error.message if isinstance(error, ToolFailure) else "ended before an answer came"
        self._end(ToolFailed(self._method, self._url, time.monotonic() - self._started, cause))

    def _end(self, exchange: Exchange) -> None:
        if self._is_open:
            self._is_open = False
            self._watch(exchange)
