"""What goes to a model service or from an http tool and comes back, for a person who wants to see it: values, told by
the client.

Told beside the run's events, since it is about one request and not about the run. Holds no header's value: keys travel
there. What else may be secret is the masker's matter, before anybody sees it.
"""

from __future__ import annotations

import contextlib
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


class ToolSent(msgspec.Struct, frozen=True):
    """A tool's request goes out. `headers` are names; `body` is as it is sent, of the type `content_type`."""

    method: str
    url: str
    headers: tuple[str, ...]
    content_type: str
    body: bytes


class ToolReceived(msgspec.Struct, frozen=True):
    """Its response was read, as far as it was wanted. `size_bytes` is without compression."""

    method: str
    url: str
    status: int
    content_type: str
    size_bytes: int
    duration_s: float


class ToolFailed(msgspec.Struct, frozen=True):
    """Nothing came of it."""

    method: str
    url: str
    duration_s: float
    cause: str


Exchange = Sent | Received | Failed | ToolSent | ToolReceived | ToolFailed
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
        case ToolSent(url=url, body=body):
            text = body.decode("utf-8", "surrogateescape")
            with contextlib.suppress(ValueError, RecursionError):  # not JSON, or as deep as a parser reads it
                text = _texts_masked(text, mask)
            hidden = mask(text).encode("utf-8", "surrogateescape")
            return msgspec.structs.replace(exchange, url=mask(url), body=hidden)
        case ToolReceived(url=url, content_type=content_type):
            return msgspec.structs.replace(exchange, url=mask(url), content_type=mask(content_type))
        case ToolFailed(url=url, cause=cause):
            return msgspec.structs.replace(exchange, url=mask(url), cause=mask(cause))
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
