"""The JSON Schemas of the language, generated from `types.py`, and how to find one's way in them.

The same schema checks files here and helps editors, which read draft 7: `make golden` writes `schemas/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import msgspec

from agentrun.spec import case_types, types
from agentrun.spec.nodes import Node, Route

Kind = Literal["agent", "tool", "test"]
JsonSchema = dict[str, Any]

SPECS: dict[Kind, Any] = {"agent": types.AgentSpec, "tool": types.ToolSpec, "test": case_types.TestSpec}
_TITLES: dict[Kind, str] = {
    "agent": "agentrun agent: agents/NAME.yaml",
    "tool": "agentrun tool: tools.d/*.yaml",
    "test": "agentrun test: tests/**/*.test.yaml",
}


@cache
def schema_of(kind: Kind) -> JsonSchema:
    """The whole schema of one kind of file."""
    (root,), definitions = msgspec.json.schema_components([SPECS[kind]])
    for name, definition in definitions.items():
        if "description" in definition:  # a docstring of several paragraphs, as it is indented in the source
            definition["description"] = "\n".join(map(str.strip, definition["description"].split("\n")))
        if definition.get("additionalProperties") is False:
            definition["patternProperties"] = {"^x-": {}}
        for key, member in definition.get("properties", {}).items():
            if "$ref" in member and len(member) > 1:  # draft 7 ignores what stands beside $ref
                definition["properties"][key] = {**member, "allOf": [{"$ref": member["$ref"]}]}
                del definition["properties"][key]["$ref"]
        if one_of := types.EXACTLY_ONE.get(name):
            definition["x-exactly-one"] = list(one_of)
        if at_most := types.AT_MOST_ONE.get(name):
            definition["x-at-most-one"] = list(at_most)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": _TITLES[kind],
        **root,
        "$defs": definitions,
    }


_EACH: JsonSchema = {"type": "string", "pattern": r"\{\{[^}]*\beach\b"}


def for_editors(kind: Kind) -> JsonSchema:
    """The schema of a kind of file as it is written: what `each` fills in later may be of any type."""
    schema = schema_of(kind)
    if kind != "test":
        return schema
    definitions = {name: {**one} for name, one in schema["$defs"].items()}
    for name, definition in definitions.items():
        if name != "TestSpec" and "properties" in definition:
            members = definition["properties"].items()
            definition["properties"] = {key: one if key == "each" else _or_each(one) for key, one in members}
    return {**schema, "$defs": {**definitions, "Each": _EACH}}


def _or_each(schema: JsonSchema) -> JsonSchema:
    """A schema, and those of entries in it, or a template in their place, where no text may stand there anyway."""
    made = _or_each_in(schema)
    options: list[JsonSchema] = made.pop("anyOf", [])
    options = [_or_each_in(one) for one in options]
    if any(_is_open(one) for one in options or [made]):
        return {**made, "anyOf": options} if options else made
    told: JsonSchema = {key: made.pop(key) for key in ("description", "default") if key in made}
    return {**told, "anyOf": [*(options or [made]), {"$ref": "#/$defs/Each"}]}


def _or_each_in(schema: JsonSchema) -> JsonSchema:
    entries = {key: _or_each(schema[key]) for key in ("items", "additionalProperties") if schema.get(key)}
    return {**schema, **entries}


def _is_open(schema: JsonSchema) -> bool:
    """Whether a schema takes any text, or anything at all."""
    is_text = schema.get("type") == "string" and "enum" not in schema and "pattern" not in schema
    return is_text or not schema.keys() - {"description", "default", "title"}


def branches(kind: Kind, schema: JsonSchema) -> Iterator[JsonSchema]:
    """The alternatives of a schema with references followed; a schema without alternatives is its own."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        yield from branches(kind, schema_of(kind)["$defs"][name])
    elif "anyOf" in schema or "allOf" in schema:
        for option in schema.get("anyOf") or schema["allOf"]:
            yield from branches(kind, option)
    else:
        yield schema


_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def json_type(value: Any) -> str:
    return _JSON_TYPES.get(type(value), "null")


def accepts(branch: JsonSchema, value_type: str) -> bool:
    """Whether a branch is meant for values of this JSON type."""
    if "type" in branch:
        return branch["type"] == value_type or (branch["type"] == "number" and value_type == "integer")
    if "enum" in branch:
        return any(json_type(option) == value_type for option in branch["enum"])
    return True


def branch_for(kind: Kind, schema: JsonSchema, value: Any) -> JsonSchema | None:
    """The alternative that a value of this type was meant for."""
    value_type = json_type(value)
    for branch in branches(kind, schema):
        if accepts(branch, value_type):
            return branch
    return None


Marks = dict[str, Any]
Marked = tuple[Route, Node, Marks]
_MARKS = ("x-env", "x-secret", "x-template")


def marks_below(marks: Marks, schema: JsonSchema) -> Marks:
    """The marks that hold at a schema, and below it until it says otherwise."""
    own = marks_of(schema) if schema else None
    return marks | own if own else marks


def marks_of(schema: JsonSchema) -> Marks:
    return {key: schema[key] for key in _MARKS if key in schema}


def member_schema(branch: JsonSchema, key: str) -> JsonSchema:
    """The schema of a mapping's member."""
    others = branch.get("additionalProperties")
    found: JsonSchema = branch.get("properties", {}).get(key, others if isinstance(others, dict) else {})
    return found
