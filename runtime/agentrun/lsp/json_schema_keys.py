"""The keys of JSON Schema, for the places where users write one: parameters and response formats."""

from __future__ import annotations

from agentrun.spec.nodes import Route
from agentrun.spec.schema import Kind

KEYS = {
    "type": "Type of the value: string, number, integer, boolean, array, object, null.",
    "description": "What the value is: the model reads it.",
    "properties": "The members of an object, each with a schema.",
    "required": "Names of members that must be there.",
    "items": "The schema of each element of an array.",
    "enum": "The values that are allowed.",
    "const": "The only value that is allowed.",
    "default": "Filled in where the value is left out.",
    "additionalProperties": "Whether an object may have further members, or their schema.",
    "minimum": "The smallest number.",
    "maximum": "The largest number.",
    "exclusiveMinimum": "A number that must be exceeded.",
    "exclusiveMaximum": "A number that must not be reached.",
    "multipleOf": "A number that divides the value.",
    "minLength": "Characters at least.",
    "maxLength": "Characters at most.",
    "pattern": "A regular expression that is found in the text.",
    "format": "What the text is, such as date, date-time, email or uri.",
    "minItems": "Elements at least.",
    "maxItems": "Elements at most.",
    "uniqueItems": "Whether all elements differ.",
    "anyOf": "Schemas of which at least one holds.",
    "oneOf": "Schemas of which exactly one holds.",
    "allOf": "Schemas that all hold.",
    "examples": "Values as examples.",
}
TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas")
_SCHEMAS: dict[Kind, tuple[Route, ...]] = {
    "agent": (("parameters",), ("response_format", "json_schema", "schema")),
    "tool": (("parameters",),),
    "test": (),
}


_DATA = frozenset(("arguments", "equals", "includes", "json", "one_of"))  # of a test: what stands below is the author's


def within_schema(kind: Kind, route: Route) -> Route | None:
    """The rest of a route that leads into a JSON Schema, or None."""
    for one in _SCHEMAS[kind]:
        if route[: len(one)] == one:
            return route[len(one) :]
    if kind == "test" and "expect" in route and "schema" in route:
        at = route.index("schema")
        return route[at + 1 :] if not _DATA.intersection(route[:at]) else None
    return None


def is_schema(rest: Route) -> bool:
    """Whether a mapping within a schema is a schema too, and not one of names to schemas, or data."""
    is_named = False
    for step in rest:
        if is_named:
            is_named = False
        elif step in _NAMED:
            is_named = True
        elif step in ("default", "examples", "const", "enum", "required"):
            return False
    return not is_named
