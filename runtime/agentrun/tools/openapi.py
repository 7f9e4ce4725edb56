"""The openapi backend: one call is one request of an operation, and its outcome for the model.

The document says where a value goes (`openapi/placing.py`), its author and the set's where and as whom. Whom a request
may reach is `http_send.py`'s, what an answer means `http_outcome.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from agentrun.engine.ports import CallContext, ToolResult
from agentrun.errors import ToolFailure, UsageError
from agentrun.openapi.accept import accepted
from agentrun.openapi.bodies import Content
from agentrun.openapi.operation import Operation
from agentrun.openapi.placing import Placed, fixed_path, placed
from agentrun.openapi.pruning import pruned
from agentrun.spec.guarded import is_guarded_header, is_header_name
from agentrun.spec.types import OpenApiSpec
from agentrun.tools.auth import authorized_header, check_authors_header, credentials, header_problem
from agentrun.tools.http_outcome import MAX_BODY_BYTES, expected_answer, names_of
from agentrun.tools.http_request import DEFAULT_HEADERS, PreparedRequest
from agentrun.tools.http_send import Sender
from agentrun.tools.multipart import joined
from agentrun.tools.network import Network
from agentrun.tools.oauth2 import TokenSources
from agentrun.tools.retry import Deadline, Sleep
from agentrun.tools.url import BadUrl, Url, parse_whole_url

IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
_WITH_LENGTH = ("POST", "PUT", "PATCH")
_STEERED = ("accept", "accept-encoding", "content-type")  # follow from what is sent, and what can be read


class Service:
    """What all operations of a set have in common: headers, credentials, redirects, retries."""

    def __init__(
        self, spec: OpenApiSpec, *, network: Network, tokens: TokenSources | None = None, sleep: Sleep = asyncio.sleep
    ) -> None:
        """Raises `UsageError` for what only the environment could have got wrong."""
        self.network = network
        self.credentials = credentials(spec.auth)
        self.headers = tuple(spec.headers.items())
        self._base = spec.base_url
        self._servers: dict[str, Url] = {}
        for name, value in self.headers:
            check_authors_header(name, value)
            if name.lower() == authorized_header(spec.auth):
                raise UsageError(f"the header {name} is set by `auth`", help="take it out of `headers`")
        oauth2 = spec.auth.oauth2 if spec.auth and spec.auth.oauth2 and spec.auth.oauth2.client_id else None
        token = (tokens or TokenSources(network)).of(oauth2) if oauth2 else None
        self._senders = {
            idempotent: Sender(
                network,
                hosts=spec.hosts,
                max_retries=spec.max_retries,
                idempotent=idempotent,
                token=token,
                sleep=sleep,
            )
            for idempotent in (False, True)
        }

    def sender(self, *, idempotent: bool) -> Sender:
        return self._senders[idempotent]

    def base(self, operation: Operation) -> Url:
        """Where an operation's path begins. Raises `UsageError`."""
        written = self._base or operation.server
        if not written:
            raise UsageError("the document names no whole address of a server", help="write `base_url`")
        if written not in self._servers:
            self._servers[written] = _base_url("`base_url`" if self._base else "the document's server", written)
        return self._servers[written]


class OpenApiTool:
    """`operation` has only parameters that may be arguments (`takes`)."""

    def __init__(
        self, operation: Operation, service: Service, *, idempotent: bool, timeout_s: float = float("inf")
    ) -> None:
        """`timeout_s` is when the engine ends a call. Raises `UsageError`."""
        self.network = service.network
        self._operation = operation
        self._service = service
        self._sender = service.sender(idempotent=idempotent)
        self._timeout_s = timeout_s
        self._base = service.base(operation)
        self._accept = accepted(operation)
        try:
            fixed_path(operation.path)
        except ValueError as error:
            raise UsageError(f"`{operation.name}` can't be called: {error}") from None

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        request = self.build(arguments)
        deadline = Deadline(self._timeout_s)
        done = await expected_answer(self._sender, request, MAX_BODY_BYTES, deadline, context)
        names = names_of(*done)
        return ToolResult(pruned(names["body"], self._operation.response), names)

    def build(self, arguments: Mapping[str, Any]) -> PreparedRequest:
        """The request of a call. Raises `ToolFailure`."""
        try:
            return self._request(placed(self._operation, arguments))
        except UnicodeEncodeError:
            message = "an argument holds half a surrogate pair: that is no text, and can't be sent"
            raise ToolFailure("invalid_arguments", message) from None

    def _request(self, made: Placed) -> PreparedRequest:
        path = self._base.path.rstrip("/") + made.path
        url = msgspec.structs.replace(self._base, path=path, query=made.query)
        key = self._service.credentials.query
        if key is not None:
            if url.has_entry(key[0]):
                raise ToolFailure("invalid_arguments", f"the query has a `{key[0]}` already: that is for `auth`")
            url = url.with_query([key])
        content, content_type = _encoded(made.content)
        if content is None and self._operation.method in _WITH_LENGTH:
            content = b""  # makes `Content-Length: 0`, which some servers insist on
        headers = self._headers(made, content_type)
        return PreparedRequest(self._operation.method, url, headers, content, key=key)

    def _headers(self, made: Placed, content_type: str | None) -> tuple[tuple[str, str], ...]:
        """Defaults, the document's, the author's, credentials: the later wins."""
        headers = {name.lower(): (name, value) for name, value in DEFAULT_HEADERS}
        headers["accept"] = ("Accept", self._accept)
        if content_type is not None:
            headers["content-type"] = ("Content-Type", content_type)
        for name, value in made.headers:
            problem = header_problem(value)
            if problem:
                raise ToolFailure("invalid_arguments", f"the header {name} {problem}")
            headers[name.lower()] = (name, value)
        for name, value in self._service.headers:
            if name.lower() != "content-type" or (content_type and not content_type.startswith("multipart/")):
                headers[name.lower()] = (name, value)
        own = headers["cookie"][1] if "cookie" in headers else ""
        cookies = "; ".join([*filter(None, [own]), *_not_among(own, made.cookies)])
        if cookies:
            headers["cookie"] = ("Cookie", cookies)
        if self._service.credentials.header:
            headers[self._service.credentials.header[0].lower()] = self._service.credentials.header
        return tuple(headers.values())


def takes(spec: OpenApiSpec, place: str, name: str) -> bool:
    """Whether a parameter of the document may be an argument: not what steers the connection or is set already."""
    if place == "header":
        lower = name.lower()
        owned = {authorized_header(spec.auth), *(one.lower() for one in spec.headers)}
        return is_header_name(name) and not is_guarded_header(name) and lower not in owned.union(_STEERED)
    key = spec.auth.api_key if spec.auth is not None else None
    return not (place == "query" and key is not None and key.in_ == "query" and key.name == name)


def _encoded(content: Content | None) -> tuple[bytes | None, str | None]:
    if content is None:
        return None, None
    if isinstance(content.body, bytes):
        return content.body, content.content_type
    return joined((part.name, (part.filename, part.content, part.content_type)) for part in content.body)


def _not_among(own: str, cookies: tuple[str, ...]) -> list[str]:
    """The cookies whose names the author's have not."""
    names = {one.partition("=")[0].strip() for one in own.split(";")}
    return [one for one in cookies if one.partition("=")[0] not in names]


def _base_url(what: str, written: str) -> Url:
    try:
        url = parse_whole_url(written)
    except BadUrl as error:
        raise UsageError(f"{what} can't be used: {error}", help="write `base_url`") from None
    if url.query or "#" in written:
        raise UsageError(f"{what} has a query or a fragment", help="end it after the path")
    if any(unquote(piece) in (".", "..") for piece in url.path.split("/")):
        raise UsageError(f"the path of {what} has a `.` or `..` piece", help="write the path that is meant")
    return url
