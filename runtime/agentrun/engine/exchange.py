"""What goes to a model service and comes back, for a person who wants to see it: values, told by the client.

Told beside the run's events, since it is about one request and not about the run. Holds no header: keys travel
there. What else may be secret is the masker's matter, before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Sent(msgspec.Struct, frozen=True):
    """A request goes out. `url` is without credentials and query; `body` is its JSON."""

    url: str
    model: str
    body: bytes


class Received(msgspec.Struct, frozen=True):
    """The response was read to its end. Times count from the request; `first_event_s` is when its content began."""

    status: int | None
    first_event_s: float
    duration_s: float


class Failed(msgspec.Struct, frozen=True):
    """Nothing came of it. `status` is None where no response came."""

    status: int | None
    duration_s: float
    cause: str


Exchange = Sent | Received | Failed
OnExchange = Callable[[Exchange], None]


def masked(exchange: Exchange, mask: Callable[[str], str]) -> Exchange:
    """The same with secrets hidden. The body is masked whole: cut first, a secret could show half of itself."""
    match exchange:
        case Sent(url, model, body):
            return Sent(mask(url), mask(model), mask(body.decode()).encode())
        case Failed(status, duration_s, cause):
            return Failed(status, duration_s, mask(cause))
    return exchange
