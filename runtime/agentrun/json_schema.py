"""JSON Schema for what a model sends: arguments and answers are hostile input.

The engine is jsonschema-rs with linear-time patterns and without retrieval: no pattern can hang it, and no reference
leaves the document. Specs are checked elsewhere (`spec/check.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import msgspec

DEFAULT_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
MAX_VIOLATIONS = 20
_MAX_PATTERN_BYTES = 1_048_576


class SchemaProblem(msgspec.Struct, frozen=True):
    """Why a schema can't be used. `route` leads to the place in the schema."""

    code: str
    route: tuple[str | int, ...]
    message: str
    help: str | None = None


class Violation(msgspec.Struct, frozen=True):
    """`path` as a person writes it: `items[0].name`; empty for the whole."""

    path: str
    message: str


class Validator:
    """A compiled schema. Raises `ValueError` when it can't be used: `problems_of` says why."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._compiled = _compile(schema)
        self._has_defaults = _mentions(schema, "default")

    def violations(self, value: Any) -> list[Violation]:
        """Every way in which a value breaks the schema, up to a bound."""
        if self._compiled.is_valid(value):
            return []
        found: list[Violation] = []
        for error in self._compiled.iter_errors(value):
            found.append(Violation(_path(error.instance_path), _message(error)))
            if len(found) == MAX_VIOLATIONS:
                break
        return found

    def with_defaults(self, value: Any) -> Any:
        """The value with each absent property that has a default filled in. The value itself is not changed."""
        return _fill(self.schema, value) if self._has_defaults else value


def problems_of(schema: Mapping[str, Any]) -> list[SchemaProblem]:
    """What is wrong with a schema, each with its place; empty when it can be used."""
    remote = [
        SchemaProblem("AR603", route, f"`$ref: {target}` leaves the document", "copy the schema below `$defs`")
        for route, target in _references(schema, ())
        if not target.startswith("#")
    ]
    if remote:
        return remote
    try:
        _compile(schema)
    except ValueError as error:
        return _explain(schema, error)
    return []


def _compile(schema: Mapping[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator(
        dict(schema),
        offline=True,
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=_MAX_PATTERN_BYTES),
    )


def _explain(schema: Mapping[str, Any], error: ValueError) -> list[SchemaProblem]:
    first = getattr(error, "message", str(error))
    route = tuple(getattr(error, "instance_path", ()))
    if route and route[-1] == "pattern":
        help = "patterns are matched in linear time: no look-around, no back-references, no huge repeats"
        return [SchemaProblem("AR604", route, f"the pattern can't be used: {_value_at(schema, route)}", help)]
    # The slow validator finds all mistakes at once, and this is the rare path.
    import jsonschema

    meta = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    found = [
        SchemaProblem("AR601", tuple(one.absolute_path), f"not a JSON Schema: {_meta_message(one)}")
        for one in meta.iter_errors(schema)
    ]
    return found or [SchemaProblem("AR601", route, f"not a JSON Schema: {first}")]


def _meta_message(error: Any) -> str:
    if list(error.absolute_path)[-1:] == ["type"]:
        allowed = "string, number, integer, boolean, object, array or null"
        return f"`type` is {allowed}, not {error.instance!r}"
    return str(error.message)


def _value_at(value: Any, route: tuple[str | int, ...]) -> Any:
    for step in route:
        value = value[step]
    return value


def _references(value: Any, route: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key in ("$ref", "$dynamicRef") and isinstance(child, str):
                yield (*route, key), child
            else:
                yield from _references(child, (*route, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _references(child, (*route, index))


def _mentions(value: Any, key: str) -> bool:
    if isinstance(value, Mapping):
        return key in value or any(_mentions(child, key) for child in value.values())
    return isinstance(value, list) and any(_mentions(child, key) for child in value)


def _fill(schema: Any, value: Any) -> Any:
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, dict):
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return value
        filled = {key: _fill(properties.get(key), child) for key, child in value.items()}
        for key, member in properties.items():
            if key not in filled and isinstance(member, Mapping) and "default" in member:
                filled[key] = copy.deepcopy(member["default"])
        return filled
    if isinstance(value, list):
        return [_fill(schema.get("items"), item) for item in value]
    return value


def _path(steps: list[str | int]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _message(error: Any) -> str:
    """The engine's message without the value, which may be long."""
    message = str(error.message)
    return message if len(message) <= 300 else message[:299] + "…"
