"""The models that an agent asks, in order, as its file names them: its own and the fallbacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.known_models import Maker, context_tokens, maker_asked
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, Route, items
from agentrun.spec.types import ModelSpec


class Asked(msgspec.Struct, frozen=True, eq=False):
    """`written` is the model's mapping, None for a bare name; `route` leads to the model, `name` is where its name is.

    `maker` is whose own service is asked, None for another, or where that can't be known.
    """

    name: Node
    api: str
    maker: Maker | None
    written: Node | None
    route: Route

    @property
    def context_tokens(self) -> int | None:
        return context_tokens(self.maker, self.name.content) if self.maker else None


def asked_models(catalog: Catalog, document: Document) -> Iterator[Asked]:
    """Only models whose name is known: an unset variable leaves it open, and `offline` needs none."""
    model = document.node.get("model")
    if document.kind != "agent" or model is None:
        return
    main = _asked(catalog, document, model, ("model",), None)
    if main is not None:
        yield main
    for index, entry in enumerate(items(model.get("fallback"))):
        one = _asked(catalog, document, entry, ("model", "fallback", index), model)
        if one is not None:
            yield one


def model_routes(document: Document) -> Iterator[Route]:
    """The routes of an agent's models that are mappings."""
    model = document.node.get("model")
    if document.kind != "agent" or model is None or not model.is_mapping:
        return
    yield ("model",)
    for index, entry in enumerate(items(model.get("fallback"))):
        if entry.is_mapping:
            yield "model", "fallback", index


def _asked(catalog: Catalog, document: Document, node: Node, route: Route, above: Node | None) -> Asked | None:
    """A bare name inherits from `above`, if that is a mapping."""
    written = node if node.is_mapping else None
    place, place_route = (written, route) if written is not None else (above, ("model",))
    name = node.get("name") if node.is_mapping else node
    name_route = (*route, "name") if node.is_mapping else route
    if name is None or not isinstance(name.content, str) or not name.content or name_route in document.unknown:
        return None
    api, address = _text(place, "api", "chat_completions"), _text(place, "base_url", "")
    unsure = any((*place_route, key) in document.unknown for key in ("api", "base_url"))
    unsure = unsure or (place is not None and _is_misspelt(place))
    if not isinstance(api, str) or not isinstance(address, str):
        return None
    return Asked(name, api, None if unsure else maker_asked(api, address, catalog.addresses), written, route)


def _is_misspelt(model: Node) -> bool:
    """Whether what is no key of a model was meant for one that says who is asked."""
    strange = any(key not in ModelSpec.__struct_fields__ for key in model.content)
    return strange and (misspelt(model, "base_url") or misspelt(model, "api"))


def _text(node: Node | None, key: str, default: str) -> Any:
    found = node.get(key) if node is not None else None
    return default if found is None else found.content
