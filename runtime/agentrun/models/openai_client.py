"""OpenAI's client, as both of its APIs use it: where it posts to, with which key, and one attempt.

The SDK brings authentication and the pool, and is used through its generic `post`: its typed layer costs 5 ms at
40 messages. Knows nothing of bodies and replies.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, cast

from agentrun.engine.exchange import Sent
from agentrun.engine.ports import Tell
from agentrun.models import failures
from agentrun.models.endpoint import Endpoint
from agentrun.models.transport import Deadlines, Turn, Wiring, http_client
from agentrun.models.watch import read_watched

if TYPE_CHECKING:
    import httpx2
    import openai


class OpenAIClient:
    def __init__(self, model: str, wiring: Wiring) -> None:
        environment = wiring.get("environment")
        self._endpoint = Endpoint(
            model,
            base_url=wiring["base_url"],
            api_key=wiring["api_key"],
            headers=wiring["headers"],
            environment=os.environ if environment is None else environment,
        )
        self._deadlines = Deadlines(wiring["connect_s"], wiring["idle_s"], wiring["total_s"])
        self._use_proxy = wiring.get("use_proxy", False)
        self._on_exchange = wiring.get("on_exchange")
        self._client: openai.AsyncOpenAI | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def ask(self, path: str, body: bytes, turn: Turn, tell: Tell, *, whole_key: str) -> None:
        """One attempt: post `body` and read the reply into `turn`."""
        client = self._open()
        import httpx2
        import openai

        async def post() -> httpx2.Response:
            try:
                response = await client.post(
                    path,
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": dict.fromkeys(self._endpoint.left_out(os.environ), openai.omit)},
                    stream=True,
                    stream_cls=openai.AsyncStream[Any],
                )
            except openai.APIConnectionError as error:
                raise failures.unreachable(error, self._endpoint.service, self._deadlines.connect_s) from error
            return cast(httpx2.Response, response)

        service = self._endpoint.service
        sent = Sent(service.url.rstrip("/") + path, service.model, body)
        await read_watched(self._on_exchange, sent, post, turn, tell, self._deadlines, whole_key=whole_key)

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open(self) -> openai.AsyncOpenAI:
        """The client, made at the first request and again in another event loop: connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._client is not None and self._loop is loop:
            return self._client
        self._endpoint.check()
        import httpx2
        import openai

        connections = http_client(
            self._endpoint.service, connect_s=self._deadlines.connect_s, use_proxy=self._use_proxy
        )
        try:
            self._client = openai.AsyncOpenAI(
                api_key=self._endpoint.api_key or "none",
                base_url=self._endpoint.base_url,
                default_query=self._endpoint.query or None,
                default_headers=self._endpoint.headers,
                max_retries=0,
                timeout=connections.timeout,
                http_client=connections,
            )
        except httpx2.InvalidURL:
            raise self._endpoint.bad_address() from None
        self._loop = loop
        return self._client
