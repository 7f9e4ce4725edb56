"""JSON Schema for what a model sends: arguments and answers are hostile input.

The engine is jsonschema-rs with linear-time patterns and without retrieval: no pattern can hang it, and no reference
leaves the document. What is wrong with a schema itself is told elsewhere (`spec/schema_problems.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

DEFAULT_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
DEFAULT_AGENT_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "What the agent is asked."}},
    "required": ["input"],
}
MAX_VIOLATIONS = 20
MAX_EXPLAINED_DEPTH = 8
_MAX_PATTERN_BYTES = 1_048_576
Route = tuple[str | int, ...]


class Violation(msgspec.Struct, frozen=True):
    """`path` as a person writes it: `items[0].name`; empty for the whole."""

    path: str
    message: str


class Validator:
    """A compiled schema. Raises `ValueError` when it can't be used."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._compiled = compile_schema(schema)
        self._has_defaults = _mentions(schema, "default")
        self._is_recursive = _mentions(schema, "$ref") or _mentions(schema, "$dynamicRef")

    def is_valid(self, value: Any) -> bool:
        valid: bool = self._compiled.is_valid(value)
        return valid

    def violations(self, value: Any) -> list[Violation]:
        """Every way in which a value breaks the schema, up to a bound."""
        if self.is_valid(value):
            return []
        # The engine explains every alternative at every level: with a schema that refers to itself that is exponential.
        if self._is_recursive and _is_deeper(value, MAX_EXPLAINED_DEPTH):
            return [Violation("", "it does not fit the schema, and is nested too deeply to say where")]
        found: list[Violation] = []
        for error in self._compiled.iter_errors(value):
            found.append(Violation(_path(error.instance_path), _message(error)))
            if len(found) == MAX_VIOLATIONS:
                break
        return found

    def with_defaults(self, value: Any) -> Any:
        """The value with each absent property that has a default filled in. The value itself is not changed."""
        return _fill(self.schema, value) if self._has_defaults else value


def compile_schema(schema: Mapping[str, Any]) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(
        dict(schema),
        offline=True,
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=_MAX_PATTERN_BYTES),
    )


_IN_A_MAPPING = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_IN_A_LIST = ("allOf", "anyOf", "oneOf", "prefixItems")
_ALONE = (
    *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"),
    *("unevaluatedItems", "unevaluatedProperties"),
)


def subschemas(value: Any, route: Route) -> Iterator[tuple[Route, Mapping[str, Any]]]:
    """Every schema inside a schema, itself first. What stands in `const`, `default` or `enum` is data."""
    if not isinstance(value, Mapping):
        return
    yield route, value
    for key, child in value.items():
        if key in _ALONE:
            yield from subschemas(child, (*route, key))
        elif key in _IN_A_MAPPING and isinstance(child, Mapping):
            for name, member in child.items():
                yield from subschemas(member, (*route, key, name))
        elif key in _IN_A_LIST and isinstance(child, list):
            for index, member in enumerate(child):
                yield from subschemas(member, (*route, key, index))


def _is_deeper(value: Any, depth: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    children = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(child, depth - 1) for child in children)


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
