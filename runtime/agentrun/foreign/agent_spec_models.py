"""The LLM configurations of an Agent Spec file as `model` of an agent."""

from __future__ import annotations

from typing import Any

from agentrun.foreign.agent_spec_book import REFERENCE, Book, kind_of_component, name_of
from agentrun.foreign.draft import Draft
from agentrun.foreign.fields import Fields
from agentrun.foreign.urls import is_http, split_url
from agentrun.foreign.yaml_text import data_without_variables, without_variables
from agentrun.spec.nodes import Node

_APIS = ("chat_completions", "responses")
_SERVED = ("OpenAiCompatibleConfig", "VllmConfig", "OllamaConfig")
_GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai"
_NO_SERVICE = "agentrun speaks no API of it: set MODEL, or write another"
# What a retry policy has where nobody chose it.
_RETRY_DEFAULTS = {
    "initial_retry_delay": 1.0,
    "max_retry_delay": 8.0,
    "backoff_factor": 2.0,
    "jitter": "full_and_equal_for_throttle",
    "service_error_retry_on_any_5xx": True,
    "recoverable_statuses": {"409": [], "429": []},
}
_KEY_FILES = ("key_file", "cert_file", "ca_file")


class Models:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._draft = book.draft
        self._made: dict[int, Any] = {}

    def of(self, place: Node | None, what: str) -> Any:
        node = self._book.component(place, what)
        if node is None:
            if place is None:
                self._draft.leave(1, what, "it names no model: set MODEL, or write another")
            return self._another(what)
        if id(node) not in self._made:
            self._made[id(node)] = self._one(node)
        return self._made[id(node)]

    def _one(self, node: Node) -> Any:
        kind = kind_of_component(node)
        fields = self._book.fields(node, f"{kind} {name_of(node)}")
        model = fields.text("model_id")
        provider = fields.text("api_provider") or fields.text("provider")
        made: dict[str, Any] = {"name": without_variables(model)}
        if kind == "GeminiConfig" and self._is_studio(fields):
            made |= {"base_url": _GEMINI, "api_key": self._draft.variable("GEMINI_API_KEY", "the key for Gemini")}
        elif kind == "LlmConfig" and provider == "anthropic" and "url" not in fields:
            made["api"] = "anthropic_messages"
        elif kind in ("OpenAiConfig", *_SERVED) or (kind == "LlmConfig" and (provider == "openai" or "url" in fields)):
            made |= self._api(fields) | self._address(kind, fields)
        else:
            self._draft.leave(node, fields.what, _NO_SERVICE)
            return self._another(fields.what)
        if not model:
            self._draft.leave(node, fields.what, "it has no `model_id`")
            return self._another(fields.what)
        settings = self._settings(made, kind == "OpenAiConfig" or provider == "openai", fields)
        made |= {"settings": settings} if settings else {}
        made |= retries(self._draft, fields, 20)
        for key in _KEY_FILES:
            fields.leave(key, "agentrun uses the certificates of the system, and has none of its own")
        fields.skip("description", "api_key")
        fields.rest()
        return made["name"] if set(made) == {"name"} else made

    def _another(self, what: str) -> dict[str, Any]:
        self._draft.variable("MODEL", f"the name of a model for {what}")
        return {"name": "${MODEL}", "base_url": "${MODEL_BASE_URL:-}", "api_key": "${MODEL_API_KEY:-}"}

    def _is_studio(self, fields: Fields) -> bool:
        auth = self._book.component(fields.peek("auth"), fields.told("auth"))
        fields.skip("auth")
        return auth is not None and kind_of_component(auth) == "GeminiAIStudioAuthConfig"

    def _api(self, fields: Fields) -> dict[str, str]:
        api = fields.text("api_type") or "chat_completions"
        if api not in _APIS:
            fields.leave("api_type", f"agentrun speaks {' and '.join(_APIS)}")
        return {"api": api} if api == "responses" else {}

    def _address(self, kind: str, fields: Fields) -> dict[str, str]:
        """The runtimes of Agent Spec put http:// and /v1 where an address of a server lacks them."""
        url = fields.text("url")
        made = {}
        if url:
            url = url if "://" in url else f"http://{url}"
            url = url.rstrip("/") if split_url(url).path.strip("/") else f"{url.rstrip('/')}/v1"
            if is_http(url):
                made["base_url"] = without_variables(url)
            else:
                fields.leave("url", "an address is http:// or https:// and a host, without a name or password")
        elif kind in _SERVED:
            fields.draft.leave(fields.node, fields.what, "it has no `url`")
        key = fields.peek("api_key")
        if key is not None:
            owner = "OPENAI" if kind == "OpenAiConfig" else name_of(fields.node)
            about = f"the key for {split_url(url).hostname or 'OpenAI'}"
            if key.get(REFERENCE) is not None or not isinstance(key.content, str):
                made["api_key"] = self._draft.hidden(owner, "API_KEY", about)
            else:
                made["api_key"] = self._draft.wired(owner, "API_KEY", key.content, about)
        return made

    def _settings(self, made: dict[str, Any], is_openai: bool, fields: Fields) -> dict[str, Any]:
        generation = fields.inner("default_generation_parameters")
        if generation is None:
            return {}
        api = made.get("api", "chat_completions")
        tokens = {"responses": "max_output_tokens", "anthropic_messages": "max_tokens"}.get(api)
        tokens = tokens or ("max_completion_tokens" if is_openai else "max_tokens")
        names = {key: tokens if key == "max_tokens" else key for key in generation.node.content}
        found: dict[str, Any] = {}
        for key, name in names.items():
            if key in generation:
                found[name] = data_without_variables(generation.data(key))
        generation.rest()
        return found


def retries(draft: Draft, fields: Fields, most: int) -> dict[str, Any]:
    """`retry_policy` as `max_retries`; delays are agentrun's own."""
    policy = fields.inner("retry_policy")
    if policy is None:
        return {}
    attempts = policy.whole("max_attempts")
    for key, default in _RETRY_DEFAULTS.items():
        if policy.data(key) != default:
            policy.leave(key, "how long is waited between attempts, and after which failures, is agentrun's")
    policy.leave("request_timeout", "`timeout` of the model or tool bounds all attempts together")
    policy.rest()
    return {} if attempts is None else {"max_retries": min(attempts, most)}
