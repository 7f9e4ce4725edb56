"""From a built request to its answer: tokens, redirects, attempts.

Here stand the rules about whom a request may reach: the author's host; else only what `hosts` names, over a checked
connection. What was sent to one origin never follows to another: no header, no key, no token, no body. It doesn't know
templates, pages or what an answer means to a model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from agentrun.errors import ToolFailure, UsageError
from agentrun.tools.http_request import DEFAULT_HEADERS, PreparedRequest
from agentrun.tools.network import Answer, Network
from agentrun.tools.oauth2 import TokenSource
from agentrun.tools.retry import Deadline, Exchange, Sleep, with_retries
from agentrun.tools.url import BadUrl, HostPattern, Origin, Url, join_url, parse_host_pattern

MAX_REDIRECTS = 5
_MAX_ERROR_BODY_BYTES = 64 * 1024
_FOLLOWED = ("GET", "HEAD")
_REDIRECTS = (301, 302, 303, 307, 308)


class Sender:
    """Asks on behalf of one tool. `hosts` and `expect` are the author's, `token` is where `oauth2` gets one."""

    def __init__(
        self,
        network: Network,
        *,
        hosts: Sequence[str] = (),
        expect: Sequence[int] | None = None,
        max_retries: int = 0,
        idempotent: bool = False,
        token: TokenSource | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Raises `UsageError` for a host that can be none."""
        self.network = network
        self._hosts = _host_patterns(hosts)
        self._expect = frozenset(range(200, 300)) if expect is None else frozenset(expect)
        self._max_retries = max_retries
        self._idempotent = idempotent
        self._token = token
        self._sleep = sleep

    def expects(self, status: int) -> bool:
        return status in self._expect

    def allows(self, origin: Origin) -> bool:
        """Whether `hosts` names it."""
        return any(pattern.matches(origin) for pattern in self._hosts)

    def elsewhere(self, request: PreparedRequest, url: Url, said: str, **details: Any) -> PreparedRequest:
        """The request for where an answer to `request` points, as `said` tells. Raises `ToolFailure`."""
        if url.origin == request.url.origin:
            again = url.with_query([request.key]) if request.key and not url.has_entry(request.key[0]) else url
            return msgspec.structs.replace(request, url=again)
        if self.allows(url.origin) and request.method in _FOLLOWED:
            return PreparedRequest(request.method, url, DEFAULT_HEADERS, None, checked=True)
        why = f"that is another origin, and `hosts` doesn't list `{url.origin.authority}`"
        if request.method not in _FOLLOWED:
            why = "other origins are for GET and HEAD only"
        raise _not_followed(request, url, said, why, **details)

    async def ask(self, request: PreparedRequest, max_bytes: int, deadline: Deadline) -> Exchange:
        """The answer, after all that may be tried. Raises `ToolFailure`."""
        if self._token is None or request.checked:  # a token is for the author's host alone
            return await self._ask(request, max_bytes, deadline)
        token = await self._token.get(deadline)
        done = await self._ask(request.with_header(*token.header), max_bytes, deadline)
        if done.answer.status != 401 or self.expects(401) or done.request.checked:
            return done
        self._token.reject(token)  # it may have been revoked: one new one is worth a try
        fresh = await self._token.get(deadline)
        return await self._ask(request.with_header(*fresh.header), max_bytes, deadline)

    async def _ask(self, request: PreparedRequest, max_bytes: int, deadline: Deadline) -> Exchange:
        retries = self._max_retries if self._idempotent or request.has_header("idempotency-key") else 0
        attempt = partial(self._follow, request, max_bytes)
        return await with_retries(attempt, retries, self.expects, self._sleep, deadline)

    async def _follow(self, request: PreparedRequest, max_bytes: int) -> Exchange:
        """The first answer that is no redirect to be followed."""
        for hop in range(MAX_REDIRECTS + 1):
            answer = await self._send(request, max_bytes)
            location = answer.header("location")
            if self.expects(answer.status) or answer.status not in _REDIRECTS or location is None:
                return Exchange(request, answer)
            if hop == MAX_REDIRECTS:
                break
            request = self._redirected(request, answer.status, location)
        message = f"{request.shown()}: more than {MAX_REDIRECTS} redirects"
        raise ToolFailure("http_status", message, status=answer.status)

    def _redirected(self, request: PreparedRequest, status: int, location: str) -> PreparedRequest:
        """The next request of a chain; each is judged by the one before. Raises `ToolFailure`."""
        said = f"{request.shown()} answered {in_words(status)}, a redirect to"
        try:
            url = join_url(request.url, location)
        except BadUrl as error:
            raise ToolFailure("http_status", f"{said} what is no usable URL: {error}", status=status) from None
        if request.method not in _FOLLOWED:
            why = "redirects are followed for GET and HEAD only"
            raise _not_followed(request, url, said, why, status=status)
        return self.elsewhere(request, url, said, status=status)

    async def _send(self, request: PreparedRequest, max_bytes: int) -> Answer:
        return await self.network.exchange(
            request.method,
            request.url,
            request.headers,
            request.content,
            checked=request.checked,
            max_bytes=lambda status: max_bytes if self.expects(status) else _MAX_ERROR_BODY_BYTES,
            hidden=request.key[0] if request.key else None,
        )


def _not_followed(request: PreparedRequest, url: Url, said: str, why: str, **details: Any) -> ToolFailure:
    shown = url.shown(request.key[0] if request.key else None)
    return ToolFailure("http_status", f"{said} {shown}: {why}", **details, location=shown)


def in_words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _host_patterns(hosts: Sequence[str]) -> tuple[HostPattern, ...]:
    patterns = []
    for host in hosts:
        try:
            patterns.append(parse_host_pattern(host))
        except BadUrl as error:
            raise UsageError(f"`hosts` has `{host}`: {error}") from None
    return tuple(patterns)
