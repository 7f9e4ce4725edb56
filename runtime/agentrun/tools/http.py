"""The http backend: one call is one request, or one for each page of a list, and its outcome for the model.

It doesn't know how a request is built (`http_request.py`), whom it may reach (`http_send.py`) or what an answer means
(`http_outcome.py`), approval, the time limit of a call (the engine cancels) or how much of a result the model sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from agentrun.engine.ports import CallContext, ToolResult
from agentrun.errors import ToolFailure
from agentrun.spec.types import HttpSpec
from agentrun.templates import call_variables
from agentrun.tools.http_outcome import MAX_BODY_BYTES, expected_answer, names_of
from agentrun.tools.http_pages import Paging
from agentrun.tools.http_request import PreparedRequest, RequestTemplate
from agentrun.tools.http_send import Sender
from agentrun.tools.network import Network
from agentrun.tools.oauth2 import TokenSources
from agentrun.tools.retry import Deadline, Exchange, Sleep
from agentrun.tools.url import BadUrl, Origin, Url, join_url

Ask = Callable[[PreparedRequest, int], Awaitable[Exchange]]


class HttpTool:
    """A tool with an `http:` block whose `${VAR}` are filled in. Network and tokens belong to whoever gave them."""

    def __init__(
        self,
        spec: HttpSpec,
        *,
        parameters: Mapping[str, Any],
        idempotent: bool,
        network: Network | None = None,
        tokens: TokenSources | None = None,
        folders: Mapping[str, Path] | None = None,
        timeout_s: float = float("inf"),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`folders` are where the parts of `multipart` find their files. `timeout_s` is when the engine ends a call.

        Raises `UsageError` for what only the environment could have got wrong.
        """
        self.network = network or Network()
        self._template = RequestTemplate(spec, parameters, folders)
        oauth2 = spec.auth.oauth2 if spec.auth and spec.auth.oauth2 and spec.auth.oauth2.client_id else None
        self._sender = Sender(
            self.network,
            hosts=spec.hosts,
            expect=spec.expect,
            max_retries=spec.max_retries,
            idempotent=idempotent,
            token=(tokens or TokenSources(self.network)).of(oauth2) if oauth2 else None,
            sleep=sleep,
        )
        self._hosts = spec.hosts
        self._timeout_s = timeout_s
        self._paging = Paging(spec.paginate) if spec.paginate else None

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        deadline = Deadline(self._timeout_s)
        variables = call_variables(arguments, context)

        async def one(request: PreparedRequest, max_bytes: int) -> Exchange:
            return await expected_answer(self._sender, request, max_bytes, deadline, context)

        build = self._template.build
        if self._template.reads_files:
            request = await asyncio.to_thread(build, arguments, variables)
        else:
            request = build(arguments, variables)
        if request.checked:
            self._check_chosen(request.url.origin)
        if self._paging is not None:
            return await self._pages(self._paging, request, variables, one)
        names = names_of(*await one(request, MAX_BODY_BYTES))
        return ToolResult(names["body"], names)

    def _check_chosen(self, origin: Origin) -> None:
        """`url: "{url}"`: the model chose, within what the author listed."""
        if not self._sender.allows(origin):
            allowed = ", ".join(self._hosts) or "none"
            raise ToolFailure("invalid_arguments", f"the host {origin.authority} is not allowed; allowed: {allowed}")

    async def _pages(
        self, paging: Paging, first: PreparedRequest, variables: Mapping[str, Any], one: Ask
    ) -> ToolResult:
        """All pages, one after the other. One that fails fails the call: half a list would pass for the whole."""
        bodies: list[Any] = []
        read: set[Url] = set()
        room_bytes = MAX_BODY_BYTES
        request = first
        while True:
            try:
                done = await one(request, room_bytes)
            except ToolFailure as failure:
                if bodies:
                    failure.message = f"page {len(bodies) + 1}: {failure.message}"
                raise
            room_bytes -= len(done.answer.content)
            read.add(request.url)
            names = names_of(*done)
            bodies.append(names["body"])
            following = paging.next_after({**variables, **names})
            if following is not None and len(bodies) < paging.max_pages:
                request = self._page(paging, first, done.request, following)
                if request.url not in read:
                    continue
            more = following is not None
            return ToolResult({"pages": bodies, "more": more}, {**names, "pages": bodies, "more": more})

    def _page(self, paging: Paging, first: PreparedRequest, last: PreparedRequest, following: str) -> PreparedRequest:
        """The request for the page that `following` names: a value for the first request, or a link of the last one."""
        if paging.param is not None:
            return msgspec.structs.replace(first, url=first.url.with_entry(paging.param, following))
        try:
            url = join_url(last.url, following)
        except BadUrl as error:
            raise ToolFailure("http_status", f"{last.shown()}: the next page has no usable URL: {error}") from None
        return self._sender.elsewhere(last, url, f"{last.shown()}: the next page is")
