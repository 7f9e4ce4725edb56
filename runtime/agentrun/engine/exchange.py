"""What goes to a model service and comes back, for a person who wants to see it: values, told by the client.

Told beside the run's events, since it is about one request and not about the run. Holds no header: keys travel
there. What else may be secret is the masker's matter, before anybody sees it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

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
    """The same with secrets hidden. The body is masked whole: cut first, a secret could show half of itself.

    Its texts are masked by themselves first: JSON in a message is another level deeper in the body.
    """
    match exchange:
        case Sent(url, model, body):
            return Sent(mask(url), mask(model), mask(_texts_masked(body.decode(), mask)).encode())
        case Failed(status, duration_s, cause):
            return Failed(status, duration_s, mask(cause))
    return exchange


def _texts_masked(body: str, mask: Callable[[str], str]) -> str:
    def masked(value: Any) -> Any:
        match value:
            case str():
                return mask(value)
            case dict():
                return {mask(key): masked(item) for key, item in value.items()}
            case list():
                return [masked(item) for item in value]
        return value

    data = json.loads(body)
    hidden = masked(data)
    return body if hidden == data else json.dumps(hidden, ensure_ascii=False)
