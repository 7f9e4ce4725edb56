"""What a schema says of the members and items of a value, with all that stands together in it: `$ref`, `allOf`, and
the alternatives of `anyOf`, `oneOf` and `if`.

Alternatives are not told apart by the value: what any of them names may be there. References lead into `$defs`; any
other leads nowhere. Pure, and bounded by the size of the schema, which may refer to itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from agentrun.openapi.operation import Schema

Defs = Mapping[str, Any]

_ALTERNATIVES = ("anyOf", "oneOf")
_CONDITIONAL = ("then", "else")
_FURTHER = ("additionalProperties", "unevaluatedProperties")
_REF = "#/$defs/"


def definitions(schema: Schema) -> Defs:
    found = schema.get("$defs")
    return found if isinstance(found, Mapping) else {}


def parts(schemas: Sequence[Any], defs: Defs) -> Iterator[Schema]:
    """These schemas and those that they are made of, each once."""
    waiting = list(reversed(schemas))
    seen: set[int] = set()
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, Mapping) or id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        waiting += [*reversed(_alternatives(schema)), *reversed(_together(schema, defs))]


def members(schemas: Sequence[Any], defs: Defs) -> dict[str, list[Any]]:
    """What is said of each member that is named."""
    found: dict[str, list[Any]] = {}
    for part in parts(schemas, defs):
        for name, schema in _mapping(part, "properties").items():
            found.setdefault(name, []).append(schema)
    return found


def further(schemas: Sequence[Any], defs: Defs) -> list[Any]:
    """What is said of members by a pattern of their names, or of all that are not named."""
    found: list[Any] = []
    for part in parts(schemas, defs):
        found += _mapping(part, "patternProperties").values()
        found += [part[key] for key in _FURTHER if isinstance(part.get(key), Mapping)]
    return found


def items(schemas: Sequence[Any], defs: Defs) -> list[Any]:
    """What is said of the items of a list."""
    found: list[Any] = []
    for part in parts(schemas, defs):
        prefix = part.get("prefixItems")
        found += prefix if isinstance(prefix, list) else []
        if isinstance(part.get("items"), Mapping):
            found.append(part["items"])
    return found


def lists_members(schemas: Sequence[Any], defs: Defs) -> bool:
    """Whether the members of an object are told: some are named, and no others are expressly allowed."""
    if any(part.get(key) is True for part in parts(schemas, defs) for key in _FURTHER):
        return False
    return all(_lists(schema, defs, frozenset()) for schema in schemas)


def _lists(schema: Any, defs: Defs, seen: frozenset[int]) -> bool:
    if not isinstance(schema, Mapping) or id(schema) in seen:
        return False
    if _mapping(schema, "properties") or any(isinstance(schema.get(key), Mapping) for key in _FURTHER):
        return True
    seen |= {id(schema)}
    if any(_lists(one, defs, seen) for one in _together(schema, defs)):
        return True
    objects = [one for one in _alternatives(schema) if _may_be_object(one)]
    return bool(objects) and all(_lists(one, defs, seen) for one in objects)


def _together(schema: Schema, defs: Defs) -> list[Any]:
    """What holds beside a schema's own words."""
    listed = schema.get("allOf")
    together = list(listed) if isinstance(listed, list) else []
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith(_REF):
        name = unquote(ref.removeprefix(_REF)).replace("~1", "/").replace("~0", "~")
        together.append(defs.get(name))
    return together


def _alternatives(schema: Schema) -> list[Any]:
    listed = (schema.get(key) for key in _ALTERNATIVES)
    found = [one for each in listed if isinstance(each, list) for one in each]
    return found + [schema[key] for key in _CONDITIONAL if key in schema]


def _may_be_object(schema: Any) -> bool:
    kinds = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(kinds, str):
        return kinds == "object"
    if isinstance(kinds, list):
        return "object" in kinds
    return not (isinstance(schema, Mapping) and ("enum" in schema or "const" in schema))


def _mapping(schema: Schema, key: str) -> Mapping[str, Any]:
    found = schema.get(key)
    return found if isinstance(found, Mapping) else {}
