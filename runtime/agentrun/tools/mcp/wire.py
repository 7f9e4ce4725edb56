"""What the SDK sends to an address, sent over the guarded transport: an `httpx2` transport that reaches one URL.

Credentials are added here and nowhere above, to this one address, whatever is asked for. No answer is followed
elsewhere, no cookie kept, no proxy asked. What fails is told to the SDK as a JSON-RPC error of the one request, so that
the others go on; `told` gives back our own words for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpcore2
import httpx2
import msgspec

from agentrun.errors import ToolFailure
from agentrun.tools.inflate import CorruptBody
from agentrun.tools.mcp.refusals import Refusals
from agentrun.tools.mcp.route import MAX_MESSAGE_BYTES, SessionLost
from agentrun.tools.mcp.watching import watch
from agentrun.tools.network import CONNECT_TIMEOUT_S, Network, explain
from agentrun.tools.oauth2 import TokenSource
from agentrun.tools.url import Origin, Url
from agentrun.tools.watched import Telling

_NETWORK_ERRORS = (
    OSError,
    CorruptBody,
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.RemoteProtocolError,
)
# Of a request that no call waits for: a notification, an answer, the end of a session.
_NOTICE_S = 30.0
_GOODBYE_S = 2.0
_MAX_ERROR_BYTES = 64 * 1024
_MAX_KEPT = 100
_INTERNAL_ERROR = -32603
_SESSION = "mcp-session-id"
_PASSED_ON = ("content-type", _SESSION)
_JSON = "application/json"
_STREAM = "text/event-stream"
# What httpx2 adds of its own accord.
_NOT_SENT = frozenset({"accept-encoding", "connection", "content-length", "cookie", "host", "user-agent"})


class _Sent(msgspec.Struct):
    """As much of a message as matters here: what is answered has an id and a method."""

    id: int | str | None = None
    method: str | None = None


class Wire(httpx2.AsyncBaseTransport):
    """`name` is the server's in messages; `headers` are the author's and the credentials."""

    def __init__(
        self,
        name: str,
        url: Url,
        headers: tuple[tuple[str, str], ...],
        token: TokenSource | None,
        refusals: Refusals,
    ) -> None:
        self._name = name
        self._url = url
        self._headers = headers
        self._token = token
        self._network = Network()
        self._refusals = refusals
        self._failures: dict[str, ToolFailure] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        sent = _sent(content)
        try:
            return await self._send(request, content, sent)
        except ToolFailure as failure:
            if sent.method is None or sent.id is None:
                return httpx2.Response(503)
            return self._refusal(sent.id, failure)

    def told(self, data: Any) -> ToolFailure | None:
        """The failure that an error of ours stands for. Nobody else knows its name."""
        name = data.get("agentrun") if isinstance(data, dict) else None
        return self._failures.pop(name, None) if isinstance(name, str) else None

    async def aclose(self) -> None:
        await self._network.aclose()

    def _refusal(self, request_id: int | str, failure: ToolFailure) -> httpx2.Response:
        name = secrets.token_hex(16)
        while len(self._failures) >= _MAX_KEPT:
            self._failures.pop(next(iter(self._failures)))
        self._failures[name] = failure
        error = {"code": _INTERNAL_ERROR, "message": failure.message, "data": {"agentrun": name}}
        return httpx2.Response(200, json={"jsonrpc": "2.0", "id": request_id, "error": error})

    async def _send(self, request: httpx2.Request, content: bytes, sent: _Sent) -> httpx2.Response:
        token = None if self._token is None else await self._token.get()
        answer = await self._exchange(request, content, sent, () if token is None else (token.header,))
        if answer.status == 401 and self._token is not None and token is not None:
            await answer.aclose()
            self._token.reject(token)  # it may have been revoked: one new one is worth a try
            token = await self._token.get()
            answer = await self._exchange(request, content, sent, (token.header,))
        try:
            return await self._looked_at(request, answer)
        except BaseException:
            await answer.aclose()
            raise

    async def _exchange(
        self, request: httpx2.Request, content: bytes, sent: _Sent, more: tuple[tuple[str, str], ...]
    ) -> _Answer:
        origin = self._url.origin
        own = {name.lower() for name, _ in (*self._headers, *more)}
        headers = [("Host", origin.authority), ("User-Agent", "agentrun"), ("Accept-Encoding", "identity")]
        headers = [one for one in headers if one[0].lower() not in own]
        headers += [(name, value) for name, value in request.headers.items() if name not in _NOT_SENT | own]
        headers += [*self._headers, *more]
        waits = {"connect": CONNECT_TIMEOUT_S, "pool": CONNECT_TIMEOUT_S, "write": _NOTICE_S}
        if request.method == "DELETE":
            waits |= {"read": _GOODBYE_S, "connect": _GOODBYE_S}
        elif request.method == "POST" and (sent.method is None or sent.id is None):
            waits["read"] = _NOTICE_S
        if content:
            headers.append(("Content-Length", str(len(content))))
        seen, shown = watch(), f"{origin}{self._url.path}"
        telling = None if seen is None else Telling(seen, request.method, shown, headers, content)
        try:
            answer = await self._network.pool(False, origin.scheme).handle_async_request(
                httpcore2.Request(
                    request.method,
                    httpcore2.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=self._url.target),
                    headers=headers,
                    content=content or None,
                    extensions={"timeout": waits},
                )
            )
        except _NETWORK_ERRORS as error:
            failure = explain(error, origin)
            if telling is not None:
                telling.failed(failure)
            raise failure from None
        except asyncio.CancelledError as error:
            if telling is not None:
                telling.failed(error)
            raise
        return _Answer(answer, origin, telling)

    async def _looked_at(self, request: httpx2.Request, answer: _Answer) -> httpx2.Response:
        status = answer.status
        passed_on = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        if request.method != "POST":
            if 200 <= status < 300:
                return httpx2.Response(status, headers=passed_on, stream=_Body(answer, None))
            await answer.aclose()
            return httpx2.Response(status if status >= 400 else 502)
        if status in (401, 403):
            raise self._refusals.credentials(status, answer.headers.get("www-authenticate", ""))
        if 300 <= status < 400:
            raise self._refusals.moved(status)
        if status >= 400:
            return await self._error(request, answer, passed_on)
        if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise self._refusals.packed()
        content_type = answer.headers.get("content-type", "").lower()
        if status == 200 and not content_type.startswith((_JSON, _STREAM)):
            raise self._refusals.content_type(content_type)
        body = _Body(answer, MAX_MESSAGE_BYTES if content_type.startswith(_JSON) else None)
        return httpx2.Response(status, headers=passed_on, stream=body)

    async def _error(self, request: httpx2.Request, answer: _Answer, headers: dict[str, str]) -> httpx2.Response:
        """Its own error where it sends one; else the status in words."""
        content = bytearray()
        try:
            async for piece in _Body(answer, None):
                content += piece[: _MAX_ERROR_BYTES - len(content)]
                if len(content) == _MAX_ERROR_BYTES:
                    break
        except httpx2.StreamError:
            content.clear()
        finally:
            await answer.aclose()
        status, message = answer.status, _error_message(bytes(content))
        in_session = _SESSION in request.headers
        if in_session and (status == 404 or (status == 400 and "session" in message.lower())):
            raise SessionLost("connection", f"the MCP server `{self._name}` doesn't know the session any more")
        if message:
            return httpx2.Response(status, headers=headers, content=bytes(content))
        raise self._refusals.status(status, in_session=in_session)


class _Answer:
    """What came back, while it comes. `headers` have lower-case names."""

    def __init__(self, answer: httpcore2.Response, origin: Origin, telling: Telling | None) -> None:
        self.status = answer.status
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        self.origin = origin
        self._answer = answer
        self._telling = telling
        self._read_bytes = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._answer.aiter_stream():
            self._read_bytes += len(piece)
            yield piece

    async def aclose(self) -> None:
        if self._telling is not None:
            self._telling.received(self.status, self.headers.get("content-type", ""), self._read_bytes)
        await self._answer.aclose()


class _Body(httpx2.AsyncByteStream):
    """An answer's content, at most `max_bytes` of it. Whatever breaks it off is a `StreamError` to the SDK."""

    def __init__(self, answer: _Answer, max_bytes: int | None) -> None:
        self._answer = answer
        self._left_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.pieces():
                if self._left_bytes is not None:
                    self._left_bytes -= len(piece)
                    if self._left_bytes < 0:
                        raise httpx2.StreamError(f"it has more than {MAX_MESSAGE_BYTES // 1024**2} MiB")
                yield piece
        except _NETWORK_ERRORS as error:
            raise httpx2.StreamError(explain(error, self._answer.origin).message) from None

    async def aclose(self) -> None:
        await self._answer.aclose()


def _sent(content: bytes) -> _Sent:
    return msgspec.json.decode(content, type=_Sent) if content else _Sent()


def _error_message(content: bytes) -> str:
    """The message of a JSON-RPC error; empty where it is none."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""
