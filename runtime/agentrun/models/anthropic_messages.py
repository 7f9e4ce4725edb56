"""Anthropic's Messages API.

Owns one attempt: the SDK's client, the turns that the service pauses, and what a refused output format becomes.
Knows nothing of retries, which are `retry.py`'s, nor of deadlines and reading, which are `transport.py`'s; bodies are
`anthropic_body.py`'s and what events mean is `anthropic_assembly.py`'s. The SDK brings authentication and the API's
version, and is used through its generic `post`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from agentrun.engine.exchange import Sent
from agentrun.engine.messages import Reply, Request
from agentrun.engine.ports import Tell
from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.anthropic_assembly import MessageAssembly
from agentrun.models.anthropic_blocks import Block
from agentrun.models.anthropic_body import OWN_KEYS, answer_format, request_json
from agentrun.models.endpoint import ANTHROPIC, Endpoint
from agentrun.models.transport import Deadlines, Wiring, check_settings, http_client
from agentrun.models.watch import read_watched

if TYPE_CHECKING:
    from typing import Unpack

    import anthropic
    import httpx2

MAX_PAUSES = 10

_FORMAT_WORDS = ("output_config", "output_format", "structured output", "json_schema")


class AnthropicMessages:
    """A `Model` that speaks Anthropic's Messages API. `ANTHROPIC_API_KEY` and `ANTHROPIC_BASE_URL` are the names."""

    def __init__(self, name: str, *, settings: Mapping[str, Any], **wiring: Unpack[Wiring]) -> None:
        self.name = name
        self._settings = dict(settings)
        self._format_in_words = False
        self._client = _Client(name, wiring)

    async def complete(self, request: Request, tell: Tell) -> Reply:
        try:
            return await self._ask(request, tell)
        except ModelError as failure:
            if self._format_in_words or not _refuses_format(failure, request):
                raise
        self._format_in_words = True  # the model has no structured output: from now on it is told in words
        return await self._ask(request, tell)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, request: Request, tell: Tell) -> Reply:
        check_settings(self._settings, OWN_KEYS)
        assembly = MessageAssembly(len(request.messages), request.used_call_ids)
        continued: list[Block] = []
        for _ in range(1 + MAX_PAUSES):
            body = request_json(
                request, self.name, self._settings, format_in_words=self._format_in_words, continued=continued
            )
            await self._client.ask(body, assembly, tell)
            if not assembly.paused:
                return assembly.finish()
            continued = assembly.resume()
        raise ModelError(f"the service paused the turn more than {MAX_PAUSES} times", code="paused_too_often")


def _refuses_format(failure: ModelError, request: Request) -> bool:
    message = failure.message.lower()
    was_sent = answer_format(request.response_format)[0] is not None
    return was_sent and failure.status == 400 and any(word in message for word in _FORMAT_WORDS)


class _Client:
    """The SDK's client: where it posts to, with which key."""

    def __init__(self, model: str, wiring: Wiring) -> None:
        environment = wiring.get("environment")
        self._endpoint = Endpoint(
            model,
            base_url=wiring["base_url"],
            api_key=wiring["api_key"],
            headers=wiring["headers"],
            environment=os.environ if environment is None else environment,
            provider=ANTHROPIC,
        )
        self._deadlines = Deadlines(wiring["connect_s"], wiring["idle_s"], wiring["total_s"])
        self._use_proxy = wiring.get("use_proxy", False)
        self._on_exchange = wiring.get("on_exchange")
        self._client: anthropic.AsyncAnthropic | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def ask(self, body: bytes, assembly: MessageAssembly, tell: Tell) -> None:
        """One request, and its reply read into `assembly`."""
        client = self._open()
        import anthropic
        import httpx2

        async def post() -> httpx2.Response:
            try:
                response = await client.post(
                    "/v1/messages",
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": dict.fromkeys(self._left_out(), anthropic.omit)},
                    stream=True,
                    stream_cls=anthropic.AsyncStream[Any],
                )
            except anthropic.APIConnectionError as error:
                if isinstance(error.__cause__, ModelError):  # a status that `transport.py` refused: the SDK wraps it
                    raise error.__cause__ from None
                raise failures.unreachable(error, self._endpoint.service, self._deadlines.connect_s) from error
            return cast(httpx2.Response, response)

        service = self._endpoint.service
        sent = Sent(service.url.rstrip("/") + "/v1/messages", service.model, body)
        watched = self._on_exchange
        await read_watched(watched, sent, post, assembly, tell, self._deadlines, whole_key="stop_reason")

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _left_out(self) -> list[str]:
        """Headers that the SDK would add: the environment's at another address, and the key beside the file's own."""
        names = self._endpoint.left_out(os.environ)
        own = {name.lower() for name in self._endpoint.headers}
        if self._endpoint.has_key_header and "authorization" not in own:
            names.append("Authorization")
        return names

    def _open(self) -> anthropic.AsyncAnthropic:
        """The client, made at the first request and again in another event loop: connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._client is not None and self._loop is loop:
            return self._client
        self._endpoint.check()
        try:
            import anthropic
        except ModuleNotFoundError as error:
            raise ModelError(
                f"`api: anthropic_messages` needs a package that is not installed: {error.name}",
                code="missing_extra",
                help="Install it: pip install 'agentrun[anthropic]'",
            ) from None
        import httpx2

        connections = http_client(
            self._endpoint.service, connect_s=self._deadlines.connect_s, use_proxy=self._use_proxy
        )
        try:
            self._client = anthropic.AsyncAnthropic(
                api_key=self._endpoint.api_key or "none",  # given, so that the SDK looks for no other credentials
                base_url=self._endpoint.base_url,
                default_query=self._endpoint.query or None,
                default_headers=self._endpoint.headers,
                max_retries=0,
                timeout=connections.timeout,
                http_client=connections,
                open_telemetry=False,
            )
        except httpx2.InvalidURL:
            raise self._endpoint.bad_address() from None
        self._loop = loop
        return self._client
