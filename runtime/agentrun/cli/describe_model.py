"""The models of an agent as plain data: names and addresses, but no key and no header's value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agentrun.models.endpoint import ANTHROPIC, OPENAI, Endpoint
from agentrun.spec.types import ModelSpec

_NEED_NO_SERVICE = ("offline", "scripted")
_PROXY_VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
# What each SDK's client reads beside the key and the address.
_CLIENT_VARIABLES = {
    OPENAI: ("OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
    ANTHROPIC: ("ANTHROPIC_CUSTOM_HEADERS",),
}
SECRET_VARIABLES = ("OPENAI_API_KEY", "OPENAI_CUSTOM_HEADERS", "ANTHROPIC_API_KEY", "ANTHROPIC_CUSTOM_HEADERS")


def describe_model(written: str | ModelSpec, environ: Mapping[str, str]) -> dict[str, Any]:
    """The first model, with those that are asked when it fails under `fallback`."""
    first, *others = [_one(spec, environ) for spec in models(written)]
    return {**first, "fallback": others}


def models(written: str | ModelSpec) -> list[ModelSpec]:
    """The models in the order in which they are asked."""
    spec = written if isinstance(written, ModelSpec) else ModelSpec(name=written)
    return [spec, *(msgspec.structs.replace(spec, name=one) if isinstance(one, str) else one for one in spec.fallback)]


def _one(spec: ModelSpec, environ: Mapping[str, str]) -> dict[str, Any]:
    endpoint = _endpoint(spec, environ)
    return {
        "name": spec.name or spec.api,
        "api": spec.api,
        "address": endpoint.service.url if endpoint else None,
        "headers": sorted(spec.headers),
        "settings": spec.settings,
        "max_retries": spec.max_retries,
        "proxy": spec.proxy,
    }


def _endpoint(spec: ModelSpec, environ: Mapping[str, str]) -> Endpoint | None:
    if spec.api in _NEED_NO_SERVICE:
        return None
    return Endpoint(
        spec.name or "",
        base_url=spec.base_url,
        api_key=spec.api_key,
        headers=spec.headers,
        environment=environ,
        provider=ANTHROPIC if spec.api == "anthropic_messages" else OPENAI,
    )


def variables_read(written: str | ModelSpec, environ: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """(name, whether a run needs it) of what is read for models beside the `${VAR}` in the file."""
    for spec in models(written):
        endpoint = _endpoint(spec, environ)
        if endpoint is None:
            continue
        if not spec.base_url:
            yield f"{endpoint.provider.prefix}_BASE_URL", False
        if endpoint.uses_environment:
            if not spec.api_key:
                yield endpoint.key_variable, endpoint.is_providers
            yield from ((name, False) for name in _CLIENT_VARIABLES[endpoint.provider])
        if spec.proxy:
            yield from ((name, False) for name in _PROXY_VARIABLES)
