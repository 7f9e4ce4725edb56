"""From what a file says of a model to one that can be asked: its service, its retries, its fallbacks, its prices.

Knows no agents and no tools. Without network: a client connects when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from agentrun.engine.agent import Prices, Pricing
from agentrun.engine.exchange import OnExchange
from agentrun.engine.ports import Model
from agentrun.prices import ListPrice, service_url
from agentrun.spec.types import ModelSpec, TimeoutSpec

if TYPE_CHECKING:
    from agentrun.models.anthropic_messages import AnthropicMessages
    from agentrun.models.openai_chat import ChatCompletions
    from agentrun.models.openai_responses import Responses
    from agentrun.models.transport import Wiring

# What a test asks in the place of a model: of what is written, and of what would be asked.
StandIn = Callable[[Sequence[ModelSpec], Model], Model]


class WiredModel(msgspec.Struct, frozen=True, eq=False):
    """A model with its retries and fallbacks, whose names and prices are as `Reply.model_index` counts them."""

    model: Model
    names: tuple[str, ...]
    prices: tuple[Pricing | None, ...]


class ModelWiring:
    """Wires models. `override` is the name of the model that is asked instead; with `live` a turn that was begun is
    not retried.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        override: str | None = None,
        live: bool = False,
        on_exchange: OnExchange | None = None,
        stand_in: StandIn | None = None,
    ) -> None:
        self._environ = environ
        self._override = override
        self._live = live
        self._on_exchange = on_exchange
        self._stand_in = stand_in
        self._clients: list[AnthropicMessages | ChatCompletions | Responses] = []

    def wired(self, written: ModelSpec | str) -> WiredModel:
        specs = asked_models(written, self._override)
        model = self._with_retries(specs)
        return WiredModel(
            model if self._stand_in is None else self._stand_in(specs, model),
            tuple(one.name or one.api for one in specs),
            tuple(self._pricing(one) for one in specs),
        )

    def prepare(self) -> None:
        """Does beforehand what takes the first requests a second: another thread may do it."""
        for client in self._clients:
            client.prepare()

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()

    def _pricing(self, spec: ModelSpec) -> Pricing | None:
        """What the file says a model costs, else the price list."""
        if spec.prices is not None:
            cached = spec.prices.input if spec.prices.cached is None else spec.prices.cached
            return Prices(spec.prices.input, spec.prices.output, cached)
        if spec.api in ("offline", "scripted"):
            return None
        return ListPrice(spec.name or "", service_url(spec.api, spec.base_url, self._environ))

    def _with_retries(self, specs: list[ModelSpec]) -> Model:
        from agentrun.models.retry import Retrying

        if self._override == "offline":
            return self._one(specs[0])
        return Retrying(
            [self._one(one) for one in specs],
            max_retries=[one.max_retries for one in specs],
            can_take_back=not self._live,
        )

    def _one(self, spec: ModelSpec) -> Model:
        if spec.api == "offline":
            from agentrun.models.offline import Offline

            return Offline(spec.name or "offline")
        if spec.api == "scripted":
            from agentrun.models.scripted import Scripted

            return Scripted(spec.name or "scripted", spec.script if isinstance(spec.script, list) else [])
        client = self._client(spec)
        self._clients.append(client)
        return client

    def _client(self, spec: ModelSpec) -> AnthropicMessages | ChatCompletions | Responses:
        wiring, name = self._wiring(spec), spec.name or ""
        if spec.api == "anthropic_messages":
            from agentrun.models.anthropic_messages import AnthropicMessages

            return AnthropicMessages(name, settings=spec.settings, **wiring)
        if spec.api == "responses":
            from agentrun.models.openai_responses import Responses

            return Responses(name, settings=spec.settings, **wiring)
        from agentrun.models.openai_chat import ChatCompletions

        return ChatCompletions(name, settings=spec.settings, content_when_empty=spec.content_when_empty, **wiring)

    def _wiring(self, spec: ModelSpec) -> Wiring:
        timeout = spec.timeout if isinstance(spec.timeout, TimeoutSpec) else TimeoutSpec(total=spec.timeout)
        return {
            "base_url": spec.base_url or None,
            "api_key": spec.api_key or None,
            "headers": spec.headers,
            "connect_s": timeout.connect,
            "idle_s": timeout.idle,
            "total_s": timeout.total,
            "use_proxy": spec.proxy == "env",
            "environment": self._environ,
            "on_exchange": self._on_exchange,
        }


def asked_models(written: ModelSpec | str, override: str | None) -> list[ModelSpec]:
    """The models that are asked, in order: the written one, or what overrides it, and the fallbacks."""
    spec = written if isinstance(written, ModelSpec) else ModelSpec(name=written)
    if override == "offline":
        return [ModelSpec(name="offline", api="offline")]
    if override is not None:
        changed: dict[str, Any] = {"fallback": []}
        if spec.api in ("offline", "scripted"):
            changed |= {"api": "chat_completions", "script": None}
        spec = msgspec.structs.replace(_renamed(spec, override), **changed)
    specs = [spec]
    for one in spec.fallback:
        specs.append(msgspec.structs.replace(_renamed(spec, one), fallback=[]) if isinstance(one, str) else one)
    return specs


def _renamed(spec: ModelSpec, name: str) -> ModelSpec:
    """Another model in the same place. What is written of its price is the price of the one it takes the place of."""
    return spec if name == spec.name else msgspec.structs.replace(spec, name=name, prices=None)
