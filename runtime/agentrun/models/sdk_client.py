"""A vendor's SDK client: where it posts to, with which key, and one attempt.

The SDKs bring authentication and the pool, and are used through their generic `post`: the typed layer of openai's
costs 5 ms at 40 messages. Both are made by the same generator and differ in little. Knows nothing of bodies and
replies.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, cast

from agentrun.engine.exchange import Sent
from agentrun.engine.ports import Tell
from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.endpoint import ANTHROPIC, OPENAI, Endpoint, Provider
from agentrun.models.speakers import speaker
from agentrun.models.transport import Deadlines, Turn, Wiring, http_client
from agentrun.models.watch import read_watched

if TYPE_CHECKING:
    import httpx2


class SdkClient:
    """One attempt over an SDK. The client is made at the first request: importing an SDK takes half a second."""

    provider: ClassVar[Provider]

    def __init__(self, model: str, wiring: Wiring) -> None:
        environment = wiring.get("environment")
        self._endpoint = Endpoint(
            model,
            base_url=wiring["base_url"],
            api_key=wiring["api_key"],
            headers=wiring["headers"],
            environment=os.environ if environment is None else environment,
            provider=self.provider,
        )
        self._deadlines = Deadlines(wiring["connect_s"], wiring["idle_s"], wiring["total_s"])
        self._use_proxy = wiring.get("use_proxy", False)
        self._on_exchange = wiring.get("on_exchange")
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def speaker(self) -> str:
        """Who says what comes back."""
        service = self._endpoint.service
        return speaker(service.model, service.url)

    async def ask(self, path: str, body: bytes, turn: Turn, tell: Tell, *, whole_key: str) -> None:
        """Post `body` and read the reply into `turn`."""
        client = self._open()
        sdk = self._sdk()
        import httpx2

        async def post() -> httpx2.Response:
            try:
                response = await client.post(
                    path,
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": self._headers(sdk.omit)},
                    stream=True,
                    stream_cls=sdk.AsyncStream[Any],
                )
            except sdk.APIConnectionError as error:
                if isinstance(error.__cause__, ModelError):  # a status that `transport.py` refused
                    raise error.__cause__ from None
                raise failures.unreachable(error, self._endpoint.service, self._deadlines.connect_s) from error
            return cast(httpx2.Response, response)

        service = self._endpoint.service
        sent = Sent(service.url.rstrip("/") + path, service.model, body)
        await read_watched(self._on_exchange, sent, post, turn, tell, self._deadlines, whole_key=whole_key)

    def prepare(self) -> None:
        """Imports what the first request needs; what is missing is told by that."""
        with contextlib.suppress(ModelError):
            self._sdk()

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():  # others can't be closed from here
            await client.close()

    def _open(self) -> Any:
        """The client; a new one in another event loop, because connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._client is not None and self._loop is loop:
            return self._client
        self._endpoint.check()
        sdk = self._sdk()
        import httpx2

        connections = http_client(
            self._endpoint.service, connect_s=self._deadlines.connect_s, use_proxy=self._use_proxy
        )
        try:
            self._client = self._make(
                sdk,
                api_key=self._endpoint.api_key or "none",  # given, so that the SDK looks for no other credentials
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

    def _headers(self, omit: Any) -> dict[str, Any]:
        """Headers of the environment that the SDK would add at another address; where they hide the key, the key."""
        headers: dict[str, Any] = dict.fromkeys(self._endpoint.left_out(os.environ), omit)
        if self._endpoint.api_key and "authorization" in map(str.lower, headers):
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            headers["Authorization"] = f"Bearer {self._endpoint.api_key}"
        return headers

    # -- what differs

    def _sdk(self) -> ModuleType:
        raise AssertionError("each provider has its SDK")

    def _make(self, sdk: ModuleType, **options: Any) -> Any:
        raise AssertionError("each provider has its client")


class OpenAIClient(SdkClient):
    provider = OPENAI

    def _sdk(self) -> ModuleType:
        import openai

        return openai

    def _make(self, sdk: ModuleType, **options: Any) -> Any:
        return sdk.AsyncOpenAI(**options)


class AnthropicClient(SdkClient):
    provider = ANTHROPIC

    def _sdk(self) -> ModuleType:
        try:
            import anthropic
        except ModuleNotFoundError as error:
            raise ModelError(
                f"`api: anthropic_messages` needs a package that is not installed: {error.name}",
                code="missing_extra",
                help="Install it: pip install 'anthropic>=2,<3'",
            ) from None
        return anthropic

    def _make(self, sdk: ModuleType, **options: Any) -> Any:
        return sdk.AsyncAnthropic(**options, open_telemetry=False)

    def _headers(self, omit: Any) -> dict[str, Any]:
        """Without the SDK's key header where the file gives its own."""
        own = {name.lower() for name in self._endpoint.headers}
        if self._endpoint.has_key_header and "authorization" not in own:
            return {**super()._headers(omit), "Authorization": omit}
        return super()._headers(omit)
