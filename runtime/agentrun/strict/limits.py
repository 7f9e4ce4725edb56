"""How large a schema OpenAI's strict mode takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentrun.json_schema import Route, subschemas

MAX_PROPERTIES = 5_000
MAX_OBJECT_LEVELS = 10
MAX_ENUM_VALUES = 1_000
MAX_LONG_ENUM = (250, 15_000)  # with more values than this, so many characters in all
MAX_CHARS = 120_000  # names of properties and definitions, texts of enum and const

# More than any schema within these limits has: references written out may grow without bound.
MAX_SCHEMAS = 20_000


def exceeded(schema: Mapping[str, Any]) -> Iterator[tuple[Route, str]]:
    """Each limit that a schema breaks: the place, and what is too much."""
    names: list[str] = []
    values: list[Any] = []
    too_deep: list[Route] = []
    properties = 0
    for route, part in subschemas(schema, ()):
        members = part.get("properties", {})
        properties += len(members)
        names += [*members, *part.get("$defs", ()), *part.get("definitions", ())]
        values += [*part.get("enum", ()), *([part["const"]] if "const" in part else [])]
        yield from _long_enum(route, part)
        if members and _object_levels(route) > MAX_OBJECT_LEVELS:
            too_deep.append(route)
    if too_deep:
        yield too_deep[0], f"strict mode takes {MAX_OBJECT_LEVELS} levels of objects, and this is one more"
    if properties > MAX_PROPERTIES:
        yield (), f"strict mode takes {MAX_PROPERTIES:,} properties in all, not {properties:,}"
    if len(values) > MAX_ENUM_VALUES:
        yield (), f"strict mode takes {MAX_ENUM_VALUES:,} values of `enum` in all, not {len(values):,}"
    chars = sum(len(text) for text in [*names, *values] if isinstance(text, str))
    if chars > MAX_CHARS:
        yield (), f"strict mode takes {MAX_CHARS:,} characters of names and values in all, not {chars:,}"


def _object_levels(route: Route) -> int:
    """The level of an object at a route: 1 at the top of the schema or of a definition."""
    levels = 1
    steps = iter(route)
    for step in steps:
        if step in ("properties", "$defs", "definitions"):
            next(steps, None)  # a name, whatever it reads like
            levels += step == "properties"
    return levels


def _long_enum(route: Route, part: Mapping[str, Any]) -> Iterator[tuple[Route, str]]:
    texts = [value for value in part.get("enum", ()) if isinstance(value, str)]
    most_values, most_chars = MAX_LONG_ENUM
    chars = sum(map(len, texts))
    if len(texts) > most_values and chars > most_chars:
        message = f"strict mode takes {most_chars:,} characters in an `enum` of more than {most_values} values"
        yield (*route, "enum"), f"{message}, not {chars:,}"
