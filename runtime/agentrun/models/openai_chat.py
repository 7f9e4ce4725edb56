"""The chat completions API, as OpenAI and many others serve it.

Owns one attempt: the request's bytes, the client, the deadlines, and the reading of the response. Knows
nothing of retries, which are `retry.py`'s, and leaves what chunks mean to `assemble.py`. The SDK brings
authentication, proxies and the pool, and is used through its generic `post`: its typed layer costs 5 ms at
40 messages. A request joins bytes that were made with the messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from agentrun.engine.messages import Reply, Request, ToolList, encode
from agentrun.engine.ports import Tell
from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.assemble import Assembly
from agentrun.models.chat_body import ChatBody
from agentrun.models.endpoint import Endpoint
from agentrun.models.history import ContentWhenEmpty, message_json, repair

if TYPE_CHECKING:
    import httpx2
    import openai

MAX_ERROR_BYTES = 64 * 1024
MAX_CONNECTIONS = 64
KEEP_ALIVE_S = 30.0

# Once the end was announced there is little left to wait for: usage after a finish, and after `[DONE]` only the
# last bytes of the response, which let the connection be used again.
AFTER_FINISH_S = 5.0
AFTER_DONE_S = 0.25

_OWN_KEYS = frozenset({"model", "messages", "tools"})


class ChatCompletions:
    """A `Model` that speaks chat completions.

    Without `base_url`: OPENAI_BASE_URL of `environment`, else OpenAI's own. Without `api_key`: OPENAI_API_KEY, but
    never for an address that `base_url` names. `environment` None is the process's.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str],
        settings: Mapping[str, Any],
        connect_s: float,
        idle_s: float,
        total_s: float,
        use_proxy: bool = False,
        content_when_empty: ContentWhenEmpty = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._endpoint = Endpoint(
            name,
            base_url=base_url,
            api_key=api_key,
            headers=headers,
            environment=os.environ if environment is None else environment,
        )
        self._settings = dict(settings)
        self._connect_s = connect_s
        self._idle_s = idle_s
        self._total_s = total_s
        self._use_proxy = use_proxy
        self._content_when_empty = content_when_empty
        self._tool_choice_in_words = False
        self._client: openai.AsyncOpenAI | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def complete(self, request: Request, tell: Tell) -> Reply:
        try:
            return await self._ask(request, tell)
        except ModelError as failure:
            if self._tool_choice_in_words or not _refuses_tool_choice(failure, request):
                raise
        self._tool_choice_in_words = True
        return await self._ask(request, tell)

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ask(self, request: Request, tell: Tell) -> Reply:
        client = self._open()
        import httpx2
        import openai

        body = self.body(request)
        assembly = Assembly(len(request.messages), request.used_call_ids)
        try:
            async with asyncio.timeout(self._total_s) as total, asyncio.timeout(self._idle_s) as idle:
                response = cast(
                    httpx2.Response,
                    await client.post(
                        "/chat/completions",
                        cast_to=httpx2.Response,
                        content=body,
                        options={"headers": dict.fromkeys(self._endpoint.left_out(os.environ), openai.omit)},
                        stream=True,
                        stream_cls=openai.AsyncStream[Any],
                    ),
                )
                try:
                    await self._read(response, assembly, tell, idle)
                finally:
                    await response.aclose()
        except TimeoutError:
            if not assembly.finished:
                raise self._too_slow(is_total=total.expired()) from None
        except openai.APIConnectionError as error:
            raise failures.unreachable(error, self._endpoint.service, self._connect_s) from error
        except httpx2.HTTPError as error:
            if not assembly.finished:
                raise failures.lost(error) from error
        return assembly.finish()

    async def _read(self, response: httpx2.Response, assembly: Assembly, tell: Tell, idle: asyncio.Timeout) -> None:
        """Read to the end. Only chunks move the idle deadline: keep-alive comments never do."""
        now: Callable[[], float] = asyncio.get_running_loop().time
        body = ChatBody(response.headers.get("content-type", ""))

        def take(chunks: list[dict[str, Any]]) -> None:
            for chunk in chunks:
                for progress in assembly.add(chunk):
                    tell(progress)
            if body.done:
                assembly.done()

        async for piece in response.aiter_bytes():
            was_done = body.done
            chunks = body.feed(piece)
            take(chunks)
            if body.done and not was_done:
                idle.reschedule(now() + AFTER_DONE_S)
            elif chunks:
                idle.reschedule(now() + (min(self._idle_s, AFTER_FINISH_S) if assembly.finished else self._idle_s))
        take(body.end())

    def body(self, request: Request) -> bytes:
        """The request's JSON: the messages' and tools' bytes as they are, and a small tail."""
        tools, tool_choice = self._chosen(request)
        tail: dict[str, Any] = {}
        if tools and tool_choice is not None:
            tail["tool_choice"] = tool_choice
        if tools and request.parallel_tool_calls is not None:
            tail["parallel_tool_calls"] = request.parallel_tool_calls
        if request.response_format is not None:
            tail["response_format"] = request.response_format
        tail |= {key: value for key, value in self._settings.items() if key not in tail}
        tail.setdefault("stream", True)
        if tail["stream"]:
            tail.setdefault("stream_options", {"include_usage": True})
        messages = (message_json(message, self._content_when_empty) for message in repair(request.messages))
        pieces = [b'{"model":', encode(self.name), b',"messages":[', b",".join(messages), b"]"]
        if tools:
            pieces += [b',"tools":', tools.json]
        pieces += [b",", encode(tail)[1:]]
        return b"".join(pieces)

    def _chosen(self, request: Request) -> tuple[ToolList, str | dict[str, Any] | None]:
        """Where a service takes tool choices in words only, `required` and one tool say what the object says."""
        choice = request.tool_choice
        if not (self._tool_choice_in_words and isinstance(choice, dict)):
            return request.tools, choice
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        return ToolList(tool for tool in request.tools.tools if name in (None, tool.name)), "required"

    def _too_slow(self, *, is_total: bool) -> ModelError:
        if is_total:
            return failures.too_slow("did not finish its reply", self._total_s, "total")
        return failures.too_slow("sent nothing", self._idle_s, "idle")

    # -- the client -------------------------------------------------------------------------------------------

    def _open(self) -> openai.AsyncOpenAI:
        """The client, made at the first request and again in another event loop: connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._client is not None and self._loop is loop:
            return self._client
        self._endpoint.check()
        if clash := sorted(_OWN_KEYS & self._settings.keys()):
            raise ModelError(
                f"model.settings may not contain {', '.join(clash)}: agentrun writes that itself", code="bad_settings"
            )
        import httpx2
        import openai

        timeout = httpx2.Timeout(None, connect=self._connect_s)
        try:
            self._client = openai.AsyncOpenAI(
                api_key=self._endpoint.api_key or "none",
                base_url=self._endpoint.base_url,
                default_query=self._endpoint.query or None,
                default_headers=self._endpoint.headers,
                max_retries=0,
                timeout=timeout,
                http_client=httpx2.AsyncClient(
                    verify=httpx2.create_ssl_context(),
                    trust_env=self._use_proxy,
                    follow_redirects=False,
                    timeout=timeout,
                    limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_S),
                    event_hooks={"response": [self._refuse_failure]},
                ),
            )
        except httpx2.InvalidURL:
            raise self._endpoint.bad_address() from None
        self._loop = loop
        return self._client

    async def _refuse_failure(self, response: httpx2.Response) -> None:
        """Turn any status but 2xx into our error, before the SDK would read its body without a bound."""
        if 200 <= response.status_code < 300:
            return
        import httpx2

        body = bytearray()
        with contextlib.suppress(httpx2.HTTPError):  # the status says more than a broken body
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) >= MAX_ERROR_BYTES:
                    break
        raise failures.from_response(
            response.status_code, response.headers, bytes(body), self._endpoint.service, now_s=time.time()
        )


def _refuses_tool_choice(failure: ModelError, request: Request) -> bool:
    return (
        isinstance(request.tool_choice, dict)
        and failure.status in (400, 422)
        and "tool_choice" in failure.message.lower()
    )
