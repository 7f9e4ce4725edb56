"""One attempt over HTTP, whatever the API: the client, the deadlines, and the reading of the reply.

Knows no SDK and no API. An SDK's client posts through `http_client`; its connections are `pool.py`'s, and httpx2's own
where a proxy may stand between. What chunks mean is the assembly's. Every failure leaves here as a `ModelError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict

from agentrun.engine.exchange import OnExchange
from agentrun.engine.ports import Progress, Tell
from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.failures import Service
from agentrun.models.reply_body import ReplyBody

if TYPE_CHECKING:
    import ssl
    from typing import NotRequired

    import httpx2

MAX_ERROR_BYTES = 64 * 1024

# Once the end was announced there is little left to wait for: usage after a finish, and after the last event only
# the last bytes of the response, which let the connection be used again.
AFTER_FINISH_S = 5.0
AFTER_DONE_S = 0.25

# Moving a timer costs a seventh of what a chunk costs in all, so the idle deadline moves in steps: up to one late.
IDLE_STEP_S = 0.1


class Deadlines(NamedTuple):
    """Seconds: to connect, without a chunk (the wait for headers included), and for the whole attempt."""

    connect_s: float
    idle_s: float
    total_s: float


class Wiring(TypedDict):
    """How a client reaches its service. Without `base_url` and `api_key`: those of `environment`, as `endpoint.py`
    says; None there is the process's.
    """

    base_url: str | None
    api_key: str | None
    headers: Mapping[str, str]
    connect_s: float
    idle_s: float
    total_s: float
    use_proxy: NotRequired[bool]
    environment: NotRequired[Mapping[str, str] | None]
    on_exchange: NotRequired[OnExchange | None]


class Turn(Protocol):
    """A reply in the making. `finished`: the end was announced, and a break now takes nothing away."""

    @property
    def finished(self) -> bool: ...

    def add(self, chunk: dict[str, Any]) -> list[Progress]: ...

    def done(self) -> None:
        """Nothing follows: `[DONE]` came, or the reply was one whole JSON object."""


async def read_turn(
    post: Callable[[], Awaitable[httpx2.Response]],
    turn: Turn,
    tell: Tell,
    deadlines: Deadlines,
    *,
    whole_key: str,
) -> None:
    """Post, and read the reply into `turn`. `post` raises a `ModelError` where no response came.

    Returns when the reply has ended, or broke after its end was announced: whether it is complete, `turn` knows.
    """
    import httpx2

    try:
        async with asyncio.timeout(deadlines.total_s) as total, asyncio.timeout(deadlines.idle_s) as idle:
            response = await post()
            try:
                body = ReplyBody(response.headers.get("content-type", ""), whole_key=whole_key)
                await _read(response, body, turn, tell, idle, deadlines.idle_s)
            finally:
                await response.aclose()
    except TimeoutError:
        if not turn.finished:
            raise _too_slow(deadlines, is_total=total.expired()) from None
    except httpx2.HTTPError as error:
        if not turn.finished:
            raise failures.lost(error) from error


async def _read(
    response: httpx2.Response, body: ReplyBody, turn: Turn, tell: Tell, idle: asyncio.Timeout, idle_s: float
) -> None:
    """Read to the end. Only chunks move the idle deadline: keep-alive comments never do."""
    now: Callable[[], float] = asyncio.get_running_loop().time

    def take(chunks: list[dict[str, Any]]) -> None:
        for chunk in chunks:
            for progress in turn.add(chunk):
                tell(progress)
        if body.done:
            turn.done()

    step_ends_s = now()
    async for piece in response.aiter_bytes():
        was_done = body.done
        chunks = body.feed(piece)
        take(chunks)
        if body.done and not was_done:
            idle.reschedule(now() + AFTER_DONE_S)
        elif chunks and turn.finished:
            idle.reschedule(now() + min(idle_s, AFTER_FINISH_S))
        elif chunks and now() >= step_ends_s:
            step_ends_s = now() + IDLE_STEP_S
            idle.reschedule(step_ends_s + idle_s)
    take(body.end())


def _too_slow(deadlines: Deadlines, *, is_total: bool) -> ModelError:
    if is_total:
        return failures.too_slow("did not finish its reply", deadlines.total_s, "total")
    return failures.too_slow("sent nothing", deadlines.idle_s, "idle")


# -- the client -----------------------------------------------------------------------------------------------


def http_client(service: Service, *, connect_s: float, use_proxy: bool) -> httpx2.AsyncClient:
    """A client with its connections: no redirects, no proxy variables unless asked, any status but 2xx is our error."""
    import httpx2

    from agentrun.models.pool import KEEP_ALIVE_S, Connections, max_connections

    async def refuse_failure(response: httpx2.Response) -> None:
        """Before an SDK would read the body without a bound."""
        if not 200 <= response.status_code < 300:
            raise await _failure(response, service)

    options: dict[str, Any] = {
        "trust_env": use_proxy,
        "follow_redirects": False,
        "timeout": httpx2.Timeout(None, connect=connect_s),
        "event_hooks": {"response": [refuse_failure]},
    }
    if not use_proxy:
        return httpx2.AsyncClient(transport=Connections(trust=_trusted), **options)
    limits = httpx2.Limits(max_connections=max_connections(), keepalive_expiry=KEEP_ALIVE_S)
    return httpx2.AsyncClient(verify=_trusted(), limits=limits, **options)


def _trusted() -> ssl.SSLContext:
    """The authorities of the system, or those that the variables of OpenSSL name."""
    import httpx2

    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        raise failures.no_authorities(error, os.environ.get("SSL_CERT_FILE", "")) from error


async def _failure(response: httpx2.Response, service: Service) -> ModelError:
    import httpx2

    body = bytearray()
    with contextlib.suppress(httpx2.HTTPError):  # the status says more than a broken body
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) >= MAX_ERROR_BYTES:
                break
    return failures.from_response(response.status_code, response.headers, bytes(body), service, now_s=time.time())


def check_settings(settings: Mapping[str, Any], own_keys: Collection[str]) -> None:
    """Keys that would replace what agentrun writes are refused."""
    if clash := sorted(settings.keys() & set(own_keys)):
        raise ModelError(
            f"model.settings may not contain {', '.join(clash)}: that is agentrun's to send", code="bad_settings"
        )
