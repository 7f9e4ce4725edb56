"""The parameters of an operation: where each goes, in which style, and what the model calls it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, get_args

from agentrun.openapi.bundling import bundled
from agentrun.openapi.keywords import examples
from agentrun.openapi.operation import Parameter, Place, Style
from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.prose import one_text, plain
from agentrun.openapi.references import Found, References
from agentrun.openapi.schemas import Schemas

MAX_NAME_CHARS = 64
# The standard gives the first three to other parts of a document; the rest are the connection's own.
NEVER_SENT = frozenset(
    ("accept", "content-type", "authorization", "connection", "content-length", "cookie", "host", "transfer-encoding")
)

_PLACES: tuple[Place, ...] = get_args(Place)
_STYLES: Mapping[Place, tuple[Style, ...]] = {  # the first is the default
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
_HOLE = re.compile(r"\{([^{}]+)\}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_WRITTEN_ON_IT = ("type", "format", "items", "enum", "default", "minimum", "maximum", "pattern")  # as 2.0 has it

Key = tuple[str, str]  # place and name


def parameters_of(
    references: References,
    schemas: Schemas,
    path: str,
    written: Iterable[tuple[Any, str]],
    carried: Collection[Key],
) -> tuple[Parameter, ...]:
    """`written` are the parameters of the path, then those of the operation, which win; `carried` is what security
    schemes carry. Raises `OperationProblem`.
    """
    found: dict[Key, Found] = {}
    for value, pointer in written:
        one = references.follow(value, pointer)
        place, name = _place_and_name(one)
        found[place, name.lower() if place == "header" else name] = one
    holes = list(dict.fromkeys(_HOLE.findall(path)))
    kept = [one for key, one in found.items() if not _is_left_out(key, carried, holes)]
    named = {one.value["name"] for one in kept if one.value["in"] == "path"}
    kept += [Found({"name": hole, "in": "path", "required": True}, "") for hole in holes if hole not in named]
    kept.sort(key=lambda one: _PLACES.index(one.value["in"]))
    arguments = argument_names((one.value["in"], one.value["name"]) for one in kept)
    return tuple(_parameter(schemas, one, argument) for one, argument in zip(kept, arguments, strict=True))


def _place_and_name(one: Found) -> tuple[Place, str]:
    if not isinstance(one.value, dict):
        raise OperationProblem("a parameter is no mapping", one.pointer)
    name, place = one.value.get("name"), one.value.get("in")
    if not isinstance(name, str) or not name:
        raise OperationProblem("a parameter has no `name`", one.pointer)
    if place not in _PLACES:
        also = ": OpenAPI 3 has `requestBody` for it" if place in ("body", "formData") else ""
        raise OperationProblem(f"its parameter `{name}` is in `{place}`, which is no place{also}", one.pointer)
    return place, name


def _is_left_out(key: Key, carried: Collection[Key], holes: Collection[str]) -> bool:
    place, name = key
    return key in carried or (place == "header" and name in NEVER_SENT) or (place == "path" and name not in holes)


def _parameter(schemas: Schemas, one: Found, argument: str) -> Parameter:
    value = one.value
    place: Place = value["in"]
    content_type, schema, pointer = _schema_of(value, one.pointer)
    made = bundled(schemas, schemas.schema(schema, pointer))
    said = one_text(plain(value.get("description")), made.get("description", ""))
    if plain(value.get("description")) in made.get("description", ""):
        said = made.get("description", "")
    if value.get("deprecated") is True and not said.startswith("Deprecated."):
        said = one_text("Deprecated.", said)
    shown = examples(value) or made.get("examples")
    made = {key: member for key, member in _without_null(made).items() if key not in ("description", "examples")}
    made |= {"description": said} if said else {}
    made |= {"examples": shown} if shown else {}
    style = value.get("style") if value.get("style") in _STYLES[place] else _STYLES[place][0]
    explode = value.get("explode")
    return Parameter(
        name=value["name"],
        argument=argument,
        place=place,
        required=value.get("required") is True or place == "path",
        schema=made,
        style=style,
        explode=explode if isinstance(explode, bool) else style == "form",
        allow_reserved=value.get("allowReserved") is True,
        content_type=content_type,
    )


def _schema_of(value: Mapping[str, Any], pointer: str) -> tuple[str | None, Any, str]:
    """The media type that a parameter's value is written in, if it has one, and its schema."""
    content = value.get("content")
    if isinstance(content, dict) and content and "schema" not in value:
        media_type = next(iter(content))
        inside = content[media_type]
        place = f"{pointer}/content/{media_type.replace('~', '~0').replace('/', '~1')}/schema"
        return media_type, inside.get("schema", {}) if isinstance(inside, dict) else {}, place
    if "schema" in value:
        return None, value["schema"], f"{pointer}/schema"
    own = {key: value[key] for key in _WRITTEN_ON_IT if key in value}
    return None, own or {"type": "string"}, pointer


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An address and a header have no null: a parameter is left out instead."""
    kinds = schema.get("type")
    if isinstance(kinds, list) and "null" in kinds and len(kinds) > 1:
        rest = [one for one in kinds if one != "null"]
        schema = {**schema, "type": rest[0] if len(rest) == 1 else rest}
        if "enum" in schema:
            schema["enum"] = [one for one in schema["enum"] if one is not None]
    branches = schema.get("anyOf")
    if isinstance(branches, list) and {"type": "null"} in branches and len(branches) > 1:
        rest = [one for one in branches if one != {"type": "null"}]
        schema = {key: one for key, one in schema.items() if key != "anyOf"}
        only = rest[0] if len(rest) == 1 and isinstance(rest[0], dict) else None
        schema = {**schema, "anyOf": rest} if only is None or "$ref" in only else {**only, **schema}
    return schema


# -- names ----------------------------------------------------------------------------------------------------


def argument_names(keys: Iterable[Key]) -> list[str]:
    """Names that services take, each its own: a second one of a name says its place (`id`, `id_query`)."""
    taken: set[str] = set()
    made = []
    for place, name in keys:
        own = legal_name(name)
        chosen = own if own not in taken else legal_name(f"{own}_{place}")
        number = 1
        while chosen in taken:
            number += 1
            chosen = legal_name(f"{own}_{number}")
        taken.add(chosen)
        made.append(chosen)
    return made


def free_name(taken: Collection[str], *wanted: str) -> str:
    for name in wanted:
        if name not in taken:
            return name
    number = 2
    while f"{wanted[0]}_{number}" in taken:
        number += 1
    return f"{wanted[0]}_{number}"


def legal_name(name: str) -> str:
    """Letters, digits, `_`, `-` and `.`, at most 64: `filter[name]` becomes `filter_name`."""
    own = _NOT_IN_NAMES.sub("_", name)
    own = (own if own == name else own.strip("_")) or "value"
    if len(own) <= MAX_NAME_CHARS:
        return own
    return own[: MAX_NAME_CHARS - 8] + hashlib.sha256(name.encode()).hexdigest()[:8]
