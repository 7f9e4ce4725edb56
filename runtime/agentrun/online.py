"""`validate --online`: ask model services whether they have the models that agents name.

The one part of validation that opens a socket. Each service is asked once for its list, with the key and the headers
that a run would send it, a few services at a time and none for long. What can't be asked is a finding, never a failure;
nothing of a key or an address's credentials stands in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from agentrun.diagnostics import Diagnostic, nearest, one_of
from agentrun.errors import ModelError
from agentrun.models.endpoint import ANTHROPIC, OPENAI, Endpoint
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Node, Route
from agentrun.spec.types import AgentSpec, ModelSpec
from agentrun.spec.wording import shown

if TYPE_CHECKING:
    import httpx2

MAX_SECONDS = 10.0
MAX_BYTES = 4 * 1024 * 1024
AT_ONCE = 4

_ANTHROPIC_VERSION = "2023-06-01"
_SNAPSHOT = re.compile(r"[-:@](\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


class _Wanted(msgspec.Struct, frozen=True, eq=False):
    """A model that a file names; `name` is where."""

    name: Node
    spec: ModelSpec


class _Listed(msgspec.Struct, frozen=True):
    """What a service says. `complete`: its list has no further page. `problem`: why it can't be asked."""

    names: frozenset[str] = frozenset()
    complete: bool = True
    problem: str = ""


def check_models(documents: Iterable[Document], environ: Mapping[str, str]) -> list[Diagnostic]:
    """What the services of these agents don't have. Opens connections; takes some ten seconds at most a service."""
    wanted = [one for document in documents for one in _wanted(document)]
    endpoints = {one: _endpoint(one.spec, environ) for one in wanted}
    services = {_service(endpoint, one.spec): (endpoint, one.spec) for one, endpoint in endpoints.items()}
    if not services:
        return []
    import asyncio

    asked = dict(zip(services, asyncio.run(_ask_all(list(services.values()))), strict=True))
    found = (_finding(one, endpoint, asked[_service(endpoint, one.spec)]) for one, endpoint in endpoints.items())
    return [one for one in found if one is not None]


def _wanted(document: Document) -> list[_Wanted]:
    """The models of an agent whose names and addresses are known."""
    if document.is_base or not isinstance(document.spec, AgentSpec):
        return []
    spec = document.spec.model
    main = ModelSpec(name=spec) if isinstance(spec, str) else spec
    models: list[tuple[ModelSpec, Route]] = [(main, ("model",))]
    for index, one in enumerate(main.fallback):
        other = msgspec.structs.replace(main, name=one) if isinstance(one, str) else one
        models.append((other, ("model", "fallback", index)))
    wanted = []
    for model, route in models:
        place = document.node.get(*route, "name") or document.node.get(*route)
        is_open = _is_open(document, route) or (not _is_mapping(document, route) and _is_open(document, ("model",)))
        if model.api not in ("offline", "scripted") and model.name and place is not None and not is_open:
            wanted.append(_Wanted(place, model))
    return wanted


def _is_mapping(document: Document, route: Route) -> bool:
    node = document.node.get(*route)
    return node is not None and node.is_mapping


def _is_open(document: Document, route: Route) -> bool:
    """Whether an unset variable leaves open what is asked, where, or with which key: that has its own finding."""
    below = (one[len(route) :] for one in document.unknown if one[: len(route)] == route)
    return any(not one or one[0] in ("name", "api", "base_url", "api_key", "headers") for one in below)


def _endpoint(spec: ModelSpec, environ: Mapping[str, str]) -> Endpoint:
    return Endpoint(
        spec.name or "",
        base_url=spec.base_url or None,
        api_key=spec.api_key or None,
        headers=spec.headers,
        environment=environ,
        provider=ANTHROPIC if spec.api == "anthropic_messages" else OPENAI,
    )


def _service(endpoint: Endpoint, spec: ModelSpec) -> tuple[Any, ...]:
    """What makes two models be asked for at once."""
    return endpoint.provider.prefix, endpoint.written, endpoint.api_key, *sorted(endpoint.headers.items()), spec.proxy


# -- asking ---------------------------------------------------------------------------------------------------


async def _ask_all(services: list[tuple[Endpoint, ModelSpec]]) -> list[_Listed]:
    import asyncio

    turns = asyncio.Semaphore(AT_ONCE)

    async def one(endpoint: Endpoint, spec: ModelSpec) -> _Listed:
        async with turns:
            return await _ask(endpoint, spec)

    return await asyncio.gather(*(one(*service) for service in services))


async def _ask(endpoint: Endpoint, spec: ModelSpec) -> _Listed:
    try:
        endpoint.check()
    except ModelError as error:
        return _Listed(problem=error.message)
    import asyncio

    import httpx2

    try:
        async with (
            asyncio.timeout(MAX_SECONDS),
            httpx2.AsyncClient(
                headers=_headers(endpoint),
                timeout=MAX_SECONDS,
                follow_redirects=False,
                trust_env=spec.proxy == "env",
            ) as client,
        ):
            return await _read(client, endpoint)
    except (TimeoutError, httpx2.TimeoutException):
        return _Listed(problem=f"it didn't answer within {MAX_SECONDS:g} seconds")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return _Listed(problem=f"it can't be reached ({type(error).__name__})")


async def _read(client: httpx2.AsyncClient, endpoint: Endpoint) -> _Listed:
    is_anthropic = endpoint.provider is ANTHROPIC
    path = "/v1/models" if is_anthropic else "/models"
    query = {**endpoint.query, **({"limit": "1000"} if is_anthropic else {})}
    content = bytearray()
    async with client.stream("GET", endpoint.base_url.rstrip("/") + path, params=query) as response:
        if response.status_code in (401, 403):
            return _Listed(problem=f"it refuses the key (status {response.status_code})")
        if response.status_code != 200:
            return _Listed(problem=f"it has no list of models (status {response.status_code})")
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > MAX_BYTES:
                return _Listed(problem=f"its list of models has more than {MAX_BYTES // 1024**2} MiB")
    return _names(bytes(content), endpoint.api_key)


def _headers(endpoint: Endpoint) -> dict[str, str]:
    """A header of the file's own wins, as in a run."""
    headers: dict[str, str] = {}
    if endpoint.provider is ANTHROPIC:
        headers["anthropic-version"] = _ANTHROPIC_VERSION
    if endpoint.api_key and not endpoint.has_key_header:
        is_anthropic = endpoint.provider is ANTHROPIC
        headers |= {"x-api-key": endpoint.api_key} if is_anthropic else {"authorization": f"Bearer {endpoint.api_key}"}
    return headers | {name.lower(): value for name, value in endpoint.headers.items()}


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Page(msgspec.Struct, frozen=True):
    data: list[_Model]
    has_more: bool = False


def _names(content: bytes, key: str) -> _Listed:
    """A name that holds the key is none: what a service says back is shown."""
    try:
        page = msgspec.json.decode(content, type=_Page)
    except (msgspec.DecodeError, RecursionError):
        return _Listed(problem="its answer is no list of models")
    return _Listed(frozenset(one.id for one in page.data if not (key and key in one.id)), not page.has_more)


# -- telling --------------------------------------------------------------------------------------------------


def _finding(one: _Wanted, endpoint: Endpoint, listed: _Listed) -> Diagnostic | None:
    host = _host(endpoint)
    if listed.problem:
        message = f"the service at {host} can't be asked for its models: {listed.problem}"
        help = f"a key comes from `api_key` under `model`{_variable(endpoint)}"
        return Diagnostic("AR719", "warning", message, one.name.span, help if "key" in listed.problem else None)
    name = one.spec.name or ""
    if not listed.complete or _is_listed(name, listed.names):
        return None
    meant = nearest(name, listed.names)
    help = f"did you mean `{meant}`?" if meant else f"it lists {one_of(sorted(listed.names), limit=8) or 'no models'}"
    return Diagnostic("AR717", "warning", f"the service at {host} doesn't list {shown(name)}", one.name.span, help)


def _is_listed(name: str, names: frozenset[str]) -> bool:
    """A list may name dated snapshots alone, tags as Ollama does, or a kind before the name as Google does."""
    bare = {one.removeprefix("models/") for one in names}
    return name in names or name in bare or name in {_SNAPSHOT.sub("", one) for one in bare}


def _variable(endpoint: Endpoint) -> str:
    return f", or from {endpoint.key_variable}" if endpoint.uses_environment else ""


def _host(endpoint: Endpoint) -> str:
    """Without what may be secret in the address."""
    try:
        return urlsplit(endpoint.service.url).netloc or "its address"
    except ValueError:
        return "its address"
