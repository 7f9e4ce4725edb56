"""One level of a schema as documents write it to JSON Schema 2020-12: types, bounds, values, patterns.

Real documents hold what no validator takes: `type: file`, a bound as a text, an enum of another type. What was meant is
kept where it is clear, and dropped where it isn't: a schema is made that can always be used. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from agentrun.json_schema import compile_schema

TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
MAX_EXAMPLE_CHARS = 120
MAX_DEFAULT_CHARS = 100
MAX_ENUM_CHARS = 20_000

_MEANT_TYPES = {
    **dict.fromkeys(("int", "int32", "int64", "long", "short"), "integer"),
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("list", "set"), "array"),
    **dict.fromkeys(("map", "dict", "json"), "object"),
    **dict.fromkeys(("str", "text", "file", "date", "datetime", "date-time", "uuid", "uri", "url", "email"), "string"),
}
_BOUNDS = ("minimum", "maximum", "multipleOf")
_COUNTS = (
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains"),
)
_DELIMITED = re.compile(r"/(\^.*\$)/[a-z]*", re.DOTALL)  # as some languages write a pattern


def types_of(schema: Mapping[str, Any]) -> list[str]:
    """Those that a schema says it has; empty: any."""
    written = schema.get("type")
    found: list[str] = []
    for one in written if isinstance(written, list) else [written]:
        name = one.lower() if isinstance(one, str) else ""
        name = name if name in TYPES else _MEANT_TYPES.get(name, "")
        if not name:
            return []
        if name not in found:
            found.append(name)
    return found


def scalars(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema says of a value itself, without its members and its alternatives."""
    types = types_of(schema)
    made: dict[str, Any] = {}
    if types:
        made["type"] = types[0] if len(types) == 1 else types
    for key in _COUNTS:
        number = _number(schema.get(key))
        if number is not None and number >= 0 and number == int(number):
            made[key] = int(number)
    for key in _BOUNDS:
        number = _number(schema.get(key))
        if number is not None and (key != "multipleOf" or number > 0):
            made[key] = number
    _exclusive(schema, made)
    if schema.get("uniqueItems") is True:
        made["uniqueItems"] = True
    if isinstance(form := schema.get("format"), str):
        made["format"] = form
    pattern = usable_pattern(schema.get("pattern"))
    if pattern is not None:
        made["pattern"] = pattern
    _values(schema, types, made)
    for key in ("contentEncoding", "contentMediaType"):
        if isinstance(schema.get(key), str):
            made[key] = schema[key]
    return made


def remarks(schema: Mapping[str, Any]) -> list[str]:
    """What JSON Schema has no working word for, as sentences: a `default` would be filled in and sent."""
    said = ["Deprecated."] if schema.get("deprecated") is True else []
    if "default" in schema and schema["default"] is not None:
        text = _short(schema["default"], MAX_DEFAULT_CHARS)
        said += [f"Default: {text}."] if text else []
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and usable_pattern(pattern) is None and len(pattern) <= MAX_DEFAULT_CHARS:
        said.append(f"Pattern: {pattern}")
    return said


def examples(schema: Mapping[str, Any]) -> list[Any]:
    """A short example or two."""
    listed = schema.get("examples")
    found = list(listed) if isinstance(listed, list) else []
    if isinstance(listed, Mapping):
        found = [one["value"] for one in listed.values() if isinstance(one, Mapping) and "value" in one]
    if "example" in schema:
        found.insert(0, schema["example"])
    telling = (one for one in found[:2] if not isinstance(one, bool) and one is not None and one != "")
    return [one for one in telling if _short(one, MAX_EXAMPLE_CHARS)]


@lru_cache(maxsize=4096)
def usable_pattern(pattern: Any) -> str | None:
    """A pattern as the linear engine takes it; None for one that it doesn't, such as one that looks ahead."""
    if not isinstance(pattern, str) or not pattern:
        return None
    inside = _DELIMITED.fullmatch(pattern)
    text = inside[1] if inside else pattern
    try:
        compile_schema({"pattern": text})
    except ValueError:
        return None
    return text


def _exclusive(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    """3.0 says with a boolean that a bound itself is left out."""
    for key, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        written = schema.get(key)
        if written is True and bound in made:
            made[key] = made.pop(bound)
        elif not isinstance(written, bool) and (number := _number(written)) is not None:
            made[key] = number


def _values(schema: Mapping[str, Any], types: list[str], made: dict[str, Any]) -> None:
    if "const" in schema:
        made["const"] = schema["const"]
    listed = schema.get("enum")
    if not isinstance(listed, list) or not listed:
        return
    values: list[Any] = []
    for one in (_as_meant(value, types) for value in listed):
        if not any(type(one) is type(other) and one == other for other in values[-200:]):
            values.append(one)
    if len(msgspec.json.encode(values)) <= MAX_ENUM_CHARS:
        made["enum"] = values


def _as_meant(value: Any, types: list[str]) -> Any:
    """A value of an enum whose type is another than the schema's: a number in quotes, or a text without them."""
    if types == ["string"] and isinstance(value, (bool, int, float)):
        return ("true" if value else "false") if isinstance(value, bool) else str(value)
    if types in (["integer"], ["number"]) and isinstance(value, str) and (number := _number(value)) is not None:
        return number
    if types == ["boolean"] and value in ("true", "false"):
        return value == "true"
    return value


def _number(value: Any) -> int | float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
        value = int(value) if math.isfinite(value) and value == int(value) else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value


def _short(value: Any, max_chars: int) -> str:
    if isinstance(value, str):
        return value if len(value) <= max_chars else ""
    try:
        text = msgspec.json.encode(value).decode()
    except (RecursionError, msgspec.MsgspecError, TypeError):
        return ""
    return text if len(text) <= max_chars else ""
