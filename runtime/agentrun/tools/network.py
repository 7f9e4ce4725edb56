"""The one transport of all tool traffic, and the guard in front of it.

Bytes in, bytes out, on httpcore2, the layer below httpx2: there are no proxies, cookies, netrc or redirects to switch
off, and the target of a request is sent as it was built. A connection goes to an address that was looked at: for a host
that the author wrote, only cloud metadata is out of bounds; for any other (`checked`), every address that the name has
must be public. The two kinds never share a connection. Who may be asked is decided before, in `http.py`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from agentrun.engine.exchange import OnExchange
from agentrun.errors import FailureType, ToolFailure
from agentrun.tools.addresses import is_metadata, is_public, parse_address
from agentrun.tools.inflate import CorruptBody, Inflater
from agentrun.tools.url import Origin, Url
from agentrun.tools.watched import told

if TYPE_CHECKING:
    import httpcore2

    from agentrun.tools.connections import Connections

CONNECT_TIMEOUT_S = 10.0
_TRY_NEXT_ADDRESS_S = 2.5  # the wait for an address that isn't the last one of a host

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Dial = Callable[[str, int, float], Awaitable[Any]]


class NetworkFailure(ToolFailure):
    """No whole answer came. `retryable`: the same request may get through later."""

    def __init__(self, type: FailureType, message: str, *, retryable: bool) -> None:
        super().__init__(type, message)
        self.retryable = retryable


class Answer(msgspec.Struct, frozen=True):
    """`headers` have lower-case names. `content` is decompressed, unless `encoding` names what couldn't be undone.

    `complete` is False where `content` was cut at the limit.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes
    complete: bool
    encoding: str | None = None

    def header(self, name: str) -> str | None:
        """All values of a header, joined as HTTP joins them."""
        values = [value for given, value in self.headers if given == name]
        return ", ".join(values) if values else None


class Network:
    """Connections, reused between calls and bound to the running event loop. `aclose` ends them.

    `resolve` and `dial` are how names and addresses are reached; tests put their own in.
    """

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        dial: Dial | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
        watch: OnExchange | None = None,
    ) -> None:
        """`watch` is told what goes out and comes back."""
        self._resolve = resolve or _resolve
        self._dial = dial or _dial
        self._watch = watch
        self._make_tls = tls or _system_tls
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pools: dict[tuple[bool, str], Connections] = {}

    async def exchange(
        self,
        method: str,
        url: Url,
        headers: Sequence[tuple[str, str]],
        content: bytes | None,
        *,
        checked: bool,
        max_bytes: Callable[[int], int],
        hidden: str | None = None,
    ) -> Answer:
        """One request and its answer, read up to `max_bytes(status)` bytes. Raises `NetworkFailure`.

        `hidden` is a query entry whose value is told to nobody.
        """
        import httpcore2

        origin = url.origin
        target = httpcore2.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=url.target)
        sent = [*headers]
        if not any(name.lower() == "host" for name, _ in headers):
            sent.insert(0, ("Host", origin.authority))
        if content is not None:
            sent.append(("Content-Length", str(len(content))))
        limits = {"timeout": {"connect": CONNECT_TIMEOUT_S}}
        request = httpcore2.Request(method, target, headers=sent, content=content, extensions=limits)
        with told(self._watch, method, url, headers, content, hidden=hidden) as answered:
            try:
                response = await self.pool(checked, origin.scheme).handle_async_request(request)
                try:
                    answer = await _read(response, max_bytes(response.status))
                finally:
                    await response.aclose()
            except (
                OSError,
                CorruptBody,
                httpcore2.NetworkError,
                httpcore2.TimeoutException,
                httpcore2.RemoteProtocolError,
            ) as error:
                raise explain(error, origin) from None
            answered(answer)
        return answer

    def pool(self, checked: bool, scheme: str) -> Connections:
        """The guarded connections, for an answer that is read while it comes."""
        from agentrun.tools.connections import Connections

        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._pools = loop, {}  # connections of another loop can't be used, or closed, from here
        if (checked, scheme) not in self._pools:
            if scheme == "https" and self._tls is None:
                self._tls = self._make_tls()
            tls = self._tls if scheme == "https" else None
            self._pools[checked, scheme] = Connections(tls, _Guard(self._resolve, self._dial, checked))
        return self._pools[checked, scheme]

    async def aclose(self) -> None:
        pools, self._pools = self._pools, {}
        if self._loop is asyncio.get_running_loop():
            for pool in pools.values():
                await pool.aclose()


class _Guard:
    """httpcore2's way to a connection: it is asked for a name, and goes to an address of it that was looked at.

    TLS is begun above with the name, so certificates are checked against it.
    """

    def __init__(self, resolve: Resolve, dial: Dial, checked: bool) -> None:
        self._resolve = resolve
        self._dial = dial
        self._checked = checked

    async def connect_tcp(self, host: str, port: int, **_: Any) -> Any:
        import httpcore2

        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            literal = parse_address(host)
            addresses = [str(literal)] if literal else await self._resolve(host, port)
            self._look_at(host, addresses)
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "no address")
            for address in addresses[:-1]:
                try:
                    return await self._dial(address, port, _TRY_NEXT_ADDRESS_S)
                except (OSError, httpcore2.ConnectError, httpcore2.ConnectTimeout):
                    continue
            return await self._dial(addresses[-1], port, CONNECT_TIMEOUT_S)

    def _look_at(self, host: str, addresses: Sequence[str]) -> None:
        """One bad answer condemns them all: which one would be used is up to whoever answers."""
        for text in addresses:
            address = parse_address(text)
            if address is not None and is_metadata(address):
                what = "the address of a cloud metadata service"
            elif address is None or (self._checked and not is_public(address)):
                what = "an address that is not a public one"
            else:
                continue
            raise NetworkFailure("connection", f"no connection is made to {host}: it has {what}", retryable=False)


async def _resolve(host: str, port: int) -> Sequence[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        failure = error
    else:
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
    socket.socket().close()  # where no file can be opened no host is known: then this raises what is wrong
    raise failure


async def _dial(address: str, port: int, timeout_s: float) -> Any:
    from agentrun.tools.stream import Stream

    return await Stream.to(address, port, timeout_s)


def _system_tls() -> ssl.SSLContext:
    """The system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name."""
    import httpcore2

    return httpcore2.default_ssl_context()


async def _read(response: httpcore2.Response, max_bytes: int) -> Answer:
    headers = tuple((name.decode("latin-1").lower(), _text(value)) for name, value in response.headers)
    encoding = ", ".join(value.strip().lower() for name, value in headers if name == "content-encoding")
    inflater = Inflater.of(encoding)
    content = bytearray()
    async for chunk in response.aiter_stream():
        room = max_bytes + 1 - len(content)
        content += inflater.feed(chunk, room) if inflater else chunk[:room]
        if len(content) > max_bytes:
            return Answer(response.status, headers, bytes(content[:max_bytes]), complete=False)
    if inflater:
        inflater.finish()
    unknown = encoding if encoding not in ("", "identity") and inflater is None else None
    return Answer(response.status, headers, bytes(content), complete=True, encoding=unknown)


def _text(value: bytes) -> str:
    """Of what is not ASCII, as an address may hold it, most servers send UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


# -- in words -----------------------------------------------------------------------------------------------------

_ERRNO_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "the network can't be reached",
    errno.EPIPE: "connection closed",
    errno.ETIMEDOUT: "no answer",
}


def explain(error: BaseException, origin: Origin) -> NetworkFailure:
    """A failure in the user's words. Only the origin is named: paths and queries may hold what is nobody's business."""
    import httpcore2

    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, socket.gaierror):
            return _failure(f"could not find the host {origin.host}")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _failure(f"the certificate of {origin} is not accepted ({cause.verify_message})", retryable=False)
        if isinstance(cause, ssl.SSLError):
            reason = (cause.reason or "handshake failed").lower().replace("_", " ")
            return _failure(f"no TLS connection to {origin} ({reason})")
        if isinstance(cause, CorruptBody):
            return _failure(f"the answer of {origin} can't be used: {cause}")
    if isinstance(error, (httpcore2.ConnectTimeout, TimeoutError)):
        message = f"could not connect to {origin} within {CONNECT_TIMEOUT_S:g} s"
        return NetworkFailure("timeout", message, retryable=True)
    number = next((cause.errno for cause in chain if isinstance(cause, OSError) and cause.errno), None)
    reason = (_ERRNO_WORDS.get(number) or os.strerror(number).lower()) if number else "connection closed"
    if isinstance(error, (httpcore2.ConnectError, OSError)):
        return _failure(f"could not connect to {origin} ({reason})")
    if isinstance(error, httpcore2.RemoteProtocolError):
        return _failure(_broken_answer(str(error), origin))
    return _failure(f"the connection to {origin} broke off ({reason})")


def _broken_answer(said: str, origin: Origin) -> str:
    """httpcore2's and h11's own words may quote what the server sent, at any length."""
    if said.startswith("Server disconnected"):
        return f"{origin} closed the connection without an answer"
    if said.startswith("peer closed connection"):
        return f"{origin} closed the connection in the middle of its answer"
    return f"{origin} sent what is no HTTP answer"


def _failure(message: str, *, retryable: bool = True) -> NetworkFailure:
    return NetworkFailure("connection", message, retryable=retryable)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
