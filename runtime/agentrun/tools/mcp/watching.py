"""Who is told of the requests to an address: whoever they are made for, though several share the connection.

It goes with the context of a call, which the SDK keeps on the way to the request.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import Context, ContextVar

from agentrun.engine.exchange import OnExchange

_watch: ContextVar[OnExchange | None] = ContextVar("watch", default=None)


def watch() -> OnExchange | None:
    return _watch.get()


@contextlib.contextmanager
def watched_by(watch: OnExchange | None) -> Iterator[None]:
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def apart() -> Context:
    """A context for what lasts longer than a call. What begins it is told to who began it."""
    context = Context()
    context.run(_watch.set, _watch.get())
    return context
