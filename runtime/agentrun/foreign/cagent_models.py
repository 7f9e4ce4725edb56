"""The models of a Docker cagent file: `provider/model`, or a name of its `models`, as `model` of an agent."""

from __future__ import annotations

from typing import Any

import msgspec

from agentrun.foreign.cagent_words import MODEL_REASONS, wired
from agentrun.foreign.draft import Draft, is_variable
from agentrun.foreign.fields import Fields
from agentrun.foreign.urls import is_http, split_url
from agentrun.foreign.yaml_text import data_without_variables
from agentrun.spec.nodes import Node


class Service(msgspec.Struct, frozen=True):
    """Where a provider's models are had. Without `base_url` they are where agentrun's API has them by itself."""

    base_url: str = ""
    key: str = ""
    api: str = "chat_completions"


_SERVICES = {
    "openai": Service(),
    "anthropic": Service(api="anthropic_messages"),
    "google": Service("https://generativelanguage.googleapis.com/v1beta/openai", "GOOGLE_API_KEY"),
    "dmr": Service("${MODEL_RUNNER_URL:-http://localhost:12434/engines/v1}"),
    "ollama": Service("http://localhost:11434/v1"),
    "azure": Service("${AZURE_OPENAI_BASE_URL}", "AZURE_API_KEY"),
    "atlascloud": Service("https://api.atlascloud.ai/v1", "ATLASCLOUD_API_KEY"),
    "baseten": Service("https://inference.baseten.co/v1", "BASETEN_API_KEY"),
    "cerebras": Service("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "deepseek": Service("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks": Service("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "github-copilot": Service("https://api.githubcopilot.com", "GITHUB_TOKEN"),
    "groq": Service("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "huggingface": Service("https://router.huggingface.co/v1", "HF_TOKEN"),
    "minimax": Service("https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    "mistral": Service("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "moonshot": Service("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "nebius": Service("https://api.studio.nebius.com/v1", "NEBIUS_API_KEY"),
    "nvidia": Service("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
    "openrouter": Service("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "ovhcloud": Service("https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", "OVH_AI_ENDPOINTS_ACCESS_TOKEN"),
    "requesty": Service("https://router.requesty.ai/v1", "REQUESTY_API_KEY"),
    "together": Service("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "vercel": Service("https://ai-gateway.vercel.sh/v1", "AI_GATEWAY_API_KEY"),
    "xai": Service("https://api.x.ai/v1", "XAI_API_KEY"),
}
_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
_API_TYPES = {"openai_chatcompletions": "chat_completions", "openai_responses": "responses"}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_CHAT_ONLY = ("frequency_penalty", "presence_penalty")
_INHERITED = ("temperature", "max_tokens", "top_p", *_CHAT_ONLY, "thinking_budget", "parallel_tool_calls")


class Models:
    """`models` and `providers` are the sections of the file; those that no agent uses are left in the end."""

    def __init__(self, draft: Draft, models: dict[str, Node], providers: dict[str, Node]) -> None:
        self._draft = draft
        self._models = models
        self._providers = providers
        self._used: set[str] = set()
        self._followed: set[str] = set()
        self._made: dict[str, tuple[Any, bool | None]] = {}

    def of(self, reference: str, place: Node, what: str) -> tuple[Any, bool | None]:
        """The model that a reference names, as `model` takes it, and `parallel_tool_calls` of the agent."""
        names = [one.strip() for one in reference.split(",") if one.strip()]
        if len(names) > 1:
            self._draft.leave(
                place, what, f"models that take turns: {names[0]} is taken, the others could be `fallback`"
            )
        name = names[0] if names else ""
        if name not in self._made:
            self._made[name] = self._one(name, place, what)
        return self._made[name]

    def rest(self) -> None:
        for section, known in (("models", self._models), ("providers", self._providers)):
            for name, node in known.items():
                if f"{section}/{name}" not in self._used:
                    self._draft.leave(node, f"{section}: `{name}`", "no agent uses it")

    def _one(self, name: str, place: Node, what: str) -> tuple[Any, bool | None]:
        if name in self._models:
            self._used.add(f"models/{name}")
            node = self._models[name]
            if not node.is_mapping:
                return self._of_provider(str(node.content), Fields(Node({}, node.span), f"model {name}", self._draft))
            fields = Fields(node, f"model {name}", self._draft)
            first = list(fields.texts("first_available"))
            if first:
                fields.skip("description")
                fields.rest(MODEL_REASONS)
                return self._first_available(first, fields)
            provider, model = fields.text("provider") or fields.text("type"), fields.text("model")
            if model and not provider and name not in self._followed:  # the names of others
                self._followed.add(name)
                fields.skip("description")
                fields.rest(MODEL_REASONS)
                return self.of(model, node, fields.what)
            return self._of_provider(f"{provider}/{model}", fields)
        fields = Fields(Node({}, place.span), what, self._draft)
        if "/" not in name:
            told = "no model is named" if name in ("", "auto") else f"there is no model `{name}` in the file"
            self._draft.leave(place, what, f"{told}: set MODEL, or write another")
            return self._another(what), None
        return self._of_provider(name, fields)

    def _first_available(self, listed: list[tuple[str, Node]], fields: Fields) -> tuple[Any, bool | None]:
        fields.leave("first_available", "keys don't choose a model: the first is taken, the others are its `fallback`")
        made = [self.of(one, place, fields.what)[0] for one, place in listed if one not in self._models]
        made += [self._plain(one, place, fields.what) for one, place in listed if one in self._models]
        return with_fallback(made[0], made[1:]), None

    def _plain(self, name: str, place: Node, what: str) -> Any:
        """A named one, unless it chooses by keys itself."""
        node = self._models[name]
        return self._another(what) if node.get("first_available") is not None else self.of(name, place, what)[0]

    def _another(self, what: str) -> dict[str, Any]:
        self._draft.variable("MODEL", f"the name of a model for {what.partition(':')[0]}")
        return {"name": "${MODEL}", "base_url": "${MODEL_BASE_URL:-}", "api_key": "${MODEL_API_KEY:-}"}

    def _of_provider(self, reference: str, fields: Fields) -> tuple[Any, bool | None]:
        provider, _, model = reference.partition("/")
        provider = provider.lower() if provider not in self._providers else provider
        defaults = self._defaults(provider)
        base = defaults.text("provider") or "openai" if defaults is not None else provider
        service = _SERVICES.get(base.lower())
        if service is None or not model:
            why = f"agentrun speaks no API of `{base}`: set MODEL, or write another" if model else "it names no model"
            self._draft.leave(fields.node, f"{fields.what}: `{reference}`", why)
            return self._another(fields.what), None
        made: dict[str, Any] = {"name": wired(self._draft, fields.node, f"{fields.what}: `model`", model)}
        api = self._api(service, defaults, fields)
        if api != "chat_completions":
            made["api"] = api
        made |= self._address(base.lower(), service, defaults, fields)
        parallel, settings = self._settings(api, base.lower(), defaults, fields)
        made |= {"settings": settings} if settings else {}
        made |= self._prices(fields)
        fields.skip("description", "track_usage", "bypass_models_gateway", "provider", "model", "type")
        fields.rest(MODEL_REASONS)
        return (made["name"] if set(made) == {"name"} else made), parallel

    def _defaults(self, provider: str) -> Fields | None:
        """What the file says of a provider of its own, once for all models: told with the first of them."""
        node = self._providers.get(provider)
        if node is None:
            return None
        fields = Fields(node, f"provider {provider}", self._draft)
        if f"providers/{provider}" not in self._used:
            self._used.add(f"providers/{provider}")
            fields.skip("provider", "api_type", "base_url", "token_key", "track_usage", *_INHERITED, "provider_opts")
            fields.rest(MODEL_REASONS)
        return fields

    def _api(self, service: Service, defaults: Fields | None, fields: Fields) -> str:
        """`api_type` is of the provider, or an option of the model."""
        options = fields.peek("provider_opts")
        written = (defaults.text("api_type") if defaults is not None else "") or (
            str(options.get("api_type").content) if options is not None and options.get("api_type") else ""  # type: ignore[union-attr]
        )
        return _API_TYPES.get(written, service.api) if service.api == "chat_completions" else service.api

    def _address(self, base: str, service: Service, defaults: Fields | None, fields: Fields) -> dict[str, str]:
        """`base_url` and `api_key`. A key goes to an address of the file only where the file says so."""
        draft, what = self._draft, fields.what
        written = fields.text("base_url") or (defaults.text("base_url") if defaults is not None else "")
        key = fields.text("token_key") or (defaults.text("token_key") if defaults is not None else "")
        place = fields.peek("base_url") or fields.node
        if written and "$" not in written and not is_http(written):
            why = "an address is http:// or https:// and a host, without a name or password"
            draft.leave(place, f"{what}: `base_url`", why)
            written = ""
        url = wired(draft, place, f"{what}: `base_url`", written, bare=True)
        url = url or service.base_url
        if base == "azure" and not written:
            draft.variable("AZURE_OPENAI_BASE_URL", "where Azure has the model")
        if key and not is_variable(key):
            fields.leave("token_key", "it is no name of a variable")
            key = ""
        key = key or service.key or (_KEYS[base] if url and base in _KEYS else "")
        made = {"base_url": url} if url else {}
        if key:
            made["api_key"] = draft.variable(key, f"the key for {split_url(url).hostname or base}")
        return made

    def _settings(
        self, api: str, base: str, defaults: Fields | None, fields: Fields
    ) -> tuple[bool | None, dict[str, Any]]:
        settings: dict[str, Any] = {}
        tokens = {"responses": "max_output_tokens", "anthropic_messages": "max_tokens"}.get(api)
        tokens = tokens or ("max_completion_tokens" if base == "openai" else "max_tokens")
        for key in ("temperature", "max_tokens", "top_p", *_CHAT_ONLY):
            value = fields.number(key, least=-2)
            if value is None and defaults is not None:
                value = defaults.number(key, least=-2)
            if value is None:
                continue
            if key in _CHAT_ONLY and api != "chat_completions":
                (fields if key in fields else defaults or fields).leave(key, f"the API {api} takes none")
            else:
                settings[tokens if key == "max_tokens" else key] = value
        settings |= self._thinking(api, fields if "thinking_budget" in fields else defaults or fields)
        settings |= self._options(fields)
        parallel = fields.flag("parallel_tool_calls")
        if parallel is None and defaults is not None:
            parallel = defaults.flag("parallel_tool_calls")
        return parallel, settings

    def _thinking(self, api: str, fields: Fields) -> dict[str, Any]:
        node = fields.take("thinking_budget")
        if node is None:
            return {}
        value = node.content
        if api == "anthropic_messages":
            if value in ("none", 0):
                return {}
            if isinstance(value, int) and value >= 1024:
                return {"thinking": {"type": "enabled", "budget_tokens": value}}
            if value == "adaptive":
                return {"thinking": {"type": "adaptive"}}
        elif value in _EFFORTS or value == 0:
            effort = "none" if value == 0 else value
            return {"reasoning": {"effort": effort}} if api == "responses" else {"reasoning_effort": effort}
        fields.leave("thinking_budget", "write what the service takes under `settings`")
        return {}

    def _options(self, fields: Fields) -> dict[str, Any]:
        """Of the options of a provider those that are sent as they are."""
        options = fields.inner("provider_opts")
        if options is None:
            return {}
        options.skip("api_type")
        taken = ("service_tier", "top_k", "seed")
        made = {key: data_without_variables(options.data(key)) for key in taken if key in options}
        options.rest(dict.fromkeys(options.node.content, MODEL_REASONS["provider_opts"]))
        return made

    def _prices(self, fields: Fields) -> dict[str, Any]:
        cost = fields.inner("cost")
        if cost is None:
            return {}
        made = {"input": cost.number("input") or 0, "output": cost.number("output") or 0}
        cached = cost.number("cache_read")
        cost.rest({"cache_write": "what writing to a cache costs is not counted"})
        return {"prices": made if cached is None else {**made, "cached": cached}}


def with_fallback(model: Any, others: list[Any]) -> Any:
    if not others:
        return model
    first, *rest = [{"name": one} if isinstance(one, str) else dict(one) for one in (model, *others)]
    return {**first, "fallback": [*first.get("fallback", []), *rest]}  # a bare name would inherit the first one's API
