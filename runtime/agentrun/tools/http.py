"""The http backend: sends what `http_request.py` built, follows redirects, asks again, and tells the outcome.

Here stand the rules about whom a request may reach: the author's host; else only what `hosts` names, over a checked
connection. What was sent to one origin never follows a redirect to another: no header, no key, no body. It doesn't know
approval, the time limit of a call (the engine cancels) or how much of a result the model sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec

from agentrun.engine.ports import CallContext, ToolResult
from agentrun.errors import ToolFailure, UsageError
from agentrun.spec.types import HttpSpec
from agentrun.templates import call_variables
from agentrun.tools.http_request import DEFAULT_HEADERS, PreparedRequest, RequestTemplate
from agentrun.tools.http_response import body_value, error_body, joined_headers, links
from agentrun.tools.network import Answer, Network, NetworkFailure
from agentrun.tools.retry import backoff_s, is_worth_a_retry, retry_after_s
from agentrun.tools.url import BadUrl, HostPattern, Origin, Url, join_url, parse_host_pattern

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
_MAX_ERROR_BODY_BYTES = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_SECRETIVE = (401, 403)  # their bodies may repeat credentials, and never reach the model

Sleep = Callable[[float], Awaitable[None]]


class Reach(msgspec.Struct, frozen=True):
    """What a tool can reach, for people: `url` and `hosts` as the author wrote them."""

    method: str
    url: str
    hosts: tuple[str, ...]


class HttpTool:
    """A tool with an `http:` block whose `${VAR}` are filled in. The network belongs to whoever gave it."""

    def __init__(
        self,
        spec: HttpSpec,
        *,
        parameters: Mapping[str, Any],
        idempotent: bool,
        network: Network | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Raises `UsageError` for what only the environment could have got wrong."""
        self.network = network or Network()
        self._template = RequestTemplate(spec, parameters)
        self._hosts = _host_patterns(spec.hosts)
        self._expect = frozenset(range(200, 300)) if spec.expect is None else frozenset(spec.expect)
        self._max_retries = spec.max_retries
        self._idempotent = idempotent
        self._sleep = sleep
        self.reach = Reach(self._template.method, self._template.url.source, tuple(spec.hosts))

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        request = self._template.build(arguments, call_variables(arguments, context))
        if request.checked:
            self._check_chosen(request.url.origin)
        last, answer = await self._ask(request)
        if answer.status not in self._expect:
            raise _status_failure(last, answer)
        if not answer.complete:
            message = f"{last.shown()} answered more than {MAX_BODY_BYTES // 1024**2} MiB"
            raise ToolFailure("output_too_large", message, status=answer.status)
        return _result(answer, last.url)

    def _check_chosen(self, origin: Origin) -> None:
        """`url: "{url}"`: the model chose, within what the author listed."""
        if not self._allows(origin):
            allowed = ", ".join(self.reach.hosts) or "none"
            raise ToolFailure("invalid_arguments", f"the host {origin.authority} is not allowed; allowed: {allowed}")

    def _allows(self, origin: Origin) -> bool:
        return any(pattern.matches(origin) for pattern in self._hosts)

    async def _ask(self, request: PreparedRequest) -> tuple[PreparedRequest, Answer]:
        """The answer after retries, and the request that it answers."""
        retries = self._max_retries if self._idempotent or request.has_header("idempotency-key") else 0
        for attempt in range(retries):
            wait_s = backoff_s(attempt)
            try:
                last, answer = await self._follow(request)
            except NetworkFailure as failure:
                if not failure.retryable:
                    raise
            else:
                asked_s = _asked_wait_s(answer)
                if answer.status in self._expect or not is_worth_a_retry(answer.status, asked_s):
                    return last, answer
                wait_s = wait_s if asked_s is None else asked_s
            await self._sleep(wait_s)
        return await self._follow(request)

    async def _follow(self, request: PreparedRequest) -> tuple[PreparedRequest, Answer]:
        """The first answer that is no redirect to be followed."""
        for hop in range(MAX_REDIRECTS + 1):
            answer = await self._send(request)
            location = answer.header("location")
            if answer.status in self._expect or answer.status not in _REDIRECTS or location is None:
                return request, answer
            if hop == MAX_REDIRECTS:
                break
            request = self._redirected(request, answer.status, location)
        message = f"{request.shown()}: more than {MAX_REDIRECTS} redirects"
        raise ToolFailure("http_status", message, status=answer.status)

    def _redirected(self, request: PreparedRequest, status: int, location: str) -> PreparedRequest:
        """The next request of a chain; each is judged by the one before. Raises `ToolFailure`."""
        said = f"{request.shown()} answered {_in_words(status)}, a redirect to"
        try:
            url = join_url(request.url, location)
        except BadUrl as error:
            raise ToolFailure("http_status", f"{said} what is no usable URL: {error}", status=status) from None
        shown = url.shown(request.key[0] if request.key else None)
        if request.method not in ("GET", "HEAD"):
            why = "redirects are followed for GET and HEAD only"
        elif url.origin == request.url.origin:
            again = url.with_query([request.key]) if request.key and not url.has_entry(request.key[0]) else url
            return msgspec.structs.replace(request, url=again)
        elif self._allows(url.origin):
            return PreparedRequest(request.method, url, DEFAULT_HEADERS, None, checked=True)
        else:
            why = "that is another origin, and `hosts` doesn't list it"
        raise ToolFailure("http_status", f"{said} {shown}: {why}", status=status, location=shown)

    async def _send(self, request: PreparedRequest) -> Answer:
        return await self.network.exchange(
            request.method,
            request.url,
            request.headers,
            request.content,
            checked=request.checked,
            max_bytes=lambda status: MAX_BODY_BYTES if status in self._expect else _MAX_ERROR_BODY_BYTES,
        )


def _host_patterns(hosts: Sequence[str]) -> tuple[HostPattern, ...]:
    patterns = []
    for host in hosts:
        try:
            patterns.append(parse_host_pattern(host))
        except BadUrl as error:
            raise UsageError(f"`hosts` has `{host}`: {error}") from None
    return tuple(patterns)


def _result(answer: Answer, url: Url) -> ToolResult:
    body = "" if answer.status in _SECRETIVE else body_value(answer)
    names = {
        "status": answer.status,
        "headers": joined_headers(answer),
        "links": links(answer, url),
        "body": body,
        "pages": [body],
    }
    return ToolResult(body, names)


def _status_failure(request: PreparedRequest, answer: Answer) -> ToolFailure:
    details: dict[str, Any] = {"status": answer.status}
    if answer.status not in _SECRETIVE:
        body = error_body(answer)
        if body != "":
            details["body"] = body
    asked_s = _asked_wait_s(answer)
    if asked_s is not None:
        details["retry_after"] = asked_s
    return ToolFailure("http_status", f"{request.shown()} answered {_in_words(answer.status)}", **details)


def _asked_wait_s(answer: Answer) -> float | None:
    return retry_after_s(answer.header("retry-after"), datetime.now(UTC))


def _in_words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
