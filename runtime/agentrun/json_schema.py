"""JSON Schema for what a model sends: arguments and answers are hostile input.

The engine is jsonschema-rs with linear-time patterns and without retrieval: no pattern can hang it, and no reference
leaves the document. Specs are checked elsewhere (`spec/check.py`).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from agentrun.diagnostics import nearest

DEFAULT_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
MAX_VIOLATIONS = 20
MAX_EXPLAINED_DEPTH = 8
_MAX_PATTERN_BYTES = 1_048_576
Route = tuple[str | int, ...]


class SchemaProblem(msgspec.Struct, frozen=True):
    """Why a schema can't be used. `route` leads to the place in the schema."""

    code: str
    route: Route
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


def problems_of(schema: Mapping[str, Any]) -> list[SchemaProblem]:
    """What is wrong with a schema, each with its place; empty when it can be used."""
    try:
        _compile(schema)
    except ValueError as error:
        found = [*_not_a_schema(schema), *_bad_references(schema), *_bad_patterns(schema)]
        route = tuple(getattr(error, "instance_path", ()))
        return found or [SchemaProblem("AR601", route, f"not a JSON Schema: {getattr(error, 'message', error)}")]
    return []


def _compile(schema: Mapping[str, Any]) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(
        dict(schema),
        offline=True,
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=_MAX_PATTERN_BYTES),
    )


def _not_a_schema(schema: Mapping[str, Any]) -> list[SchemaProblem]:
    # The slow validator finds all mistakes at once, and this is the rare path.
    import jsonschema

    meta = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    found = {tuple(one.absolute_path): one for one in meta.iter_errors(schema)}
    return [
        _unquoted_null(route, one) or SchemaProblem("AR601", route, *_meta_problem(one)) for route, one in found.items()
    ]


def _unquoted_null(route: Route, error: Any) -> SchemaProblem | None:
    """`type: [string, null]`: YAML takes a bare `null` for no value, and JSON Schema wants the name of a type."""
    written = error.instance
    if route[-1:] != ("type",) or not (written is None or (isinstance(written, list) and None in written)):
        return None
    place = route if written is None else (*route, written.index(None))
    help = 'write `type: "null"`' if written is None else 'write it in quotes: `type: [string, "null"]`'
    return SchemaProblem("AR606", place, "`null` must be quoted in `type`: bare, it is no value at all", help)


TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_TYPE_WORDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
}
_SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _schema_help(route: list[Any], written: Any) -> str | None:
    """What to write where a schema is wanted."""
    if isinstance(written, str) and written in TYPES:
        return f"write {{type: {written}}}"
    if route[-1:] == ["items"] and isinstance(written, list):
        return "write one schema for all items; a list of schemas is `prefixItems`"
    if route[-2:] == ["properties", "required"]:
        return "it stands beside `properties`: check its indentation"
    if written is None and route[-2:-1] == ["properties"]:
        return "write its schema, such as {type: string}"
    other = _SWITCHES.get(written.lower()) if isinstance(written, str) else None
    return f"`{written}` is text in YAML 1.2: write `{other}`" if other else None


def _value_help(wanted: str, error: Any) -> str | None:
    """What to write instead of a value of the wrong type in a schema."""
    written = error.instance
    key = next(iter(list(error.absolute_path)[-1:]), "")
    if wanted in ("integer", "number") and isinstance(written, str) and _NUMBER.fullmatch(written):
        return f"write {written} without quotes"
    if wanted == "array" and isinstance(written, (bool, int, float)):
        return f"write `{key}: [{json.dumps(written)}]`"
    if wanted == "array" and isinstance(written, str) and len(written) <= _SHORT:
        return f"write `{key}: [{', '.join(part.strip() for part in written.split(','))}]`"
    return None


_SHORT = 40


def _meta_problem(error: Any) -> tuple[str, str | None]:
    """A violation of the meta-schema: message and help."""
    key = list(error.absolute_path)[-1:]
    shown = json.dumps(error.instance, ensure_ascii=False)
    if len(shown) > 60:
        shown = shown[:59] + "…"
    if key == ["type"]:
        return f"`type` is one of {', '.join(TYPES)}, not {shown}", _meant_type(error.instance)
    if key == ["required"] and (
        isinstance(error.instance, bool) or (isinstance(error.instance, str) and error.instance in _SWITCHES)
    ):
        return "`required` is a list of names", "it stands beside `properties`: `required: [name]`"
    if key == ["required"] and isinstance(error.instance, str):
        return f"`required` must be a list, not {shown}", f"write `required: [{error.instance}]`"
    subject = f"`{key[0]}`" if key and isinstance(key[0], str) else "this"
    if error.validator == "type" and "boolean" in error.validator_value:
        help = _schema_help(list(error.absolute_path), error.instance)
        return f"{subject} must be a schema, which is a mapping, not {shown}", help
    if error.validator == "type":
        wanted = str(error.validator_value)
        return f"{subject} must be {_TYPE_WORDS.get(wanted, 'a mapping')}, not {shown}", _value_help(wanted, error)
    return f"not a JSON Schema: {error.message}", None


_OTHER_TYPES = {"bool": "boolean", "dict": "object", "float": "number", "int": "integer", "list": "array"}
_TYPE_HELP = {
    **{name: f"write `type: string, format: {name}`" for name in ("date", "email", "time", "uri", "uuid")},
    **dict.fromkeys(("datetime", "date-time", "timestamp"), "write `type: string, format: date-time`"),
    **{f"{name}[]": f"write `type: array, items: {{type: {name}}}`" for name in ("string", "integer", "number")},
    "any": "leave `type` out where any value will do",
    "enum": "write `type: string`, and the values in `enum: […]` beside it",
    "url": "write `type: string, format: uri`",
}
_OTHER_TYPES |= {"map": "object", "mapping": "object", "str": "string", "text": "string"}


def is_known_word(written: str) -> bool:
    """Whether another language says so for a type."""
    return written.lower() in _OTHER_TYPES


def meant_type(written: str) -> str | None:
    """The type that another language's word, or a misspelt one, stands for."""
    if written.lower() in _TYPE_HELP or "," in written:
        return None
    return _OTHER_TYPES.get(written.lower()) or nearest(written, TYPES)


def _quoted_null_of(written: str) -> list[str]:
    return ['"null"' if part.strip() == "null" else part.strip() for part in written.split(",")]


def _meant_type(written: Any) -> str | None:
    if isinstance(written, str) and written.lower() in _TYPE_HELP:
        return _TYPE_HELP[written.lower()]
    if isinstance(written, str) and "," in written:
        return f"write a list: `type: [{', '.join(_quoted_null_of(written))}]`"
    meant = meant_type(str(written))
    return f"did you mean `{meant}`?" if meant else None


def _bad_references(schema: Mapping[str, Any]) -> Iterator[SchemaProblem]:
    has_names = any(key in one for _, one in subschemas(schema, ()) for key in ("$id", "$anchor", "$dynamicAnchor"))
    for route, one in subschemas(schema, ()):
        for key in ("$ref", "$dynamicRef"):
            target = one.get(key)
            if not isinstance(target, str):
                continue
            if not target.startswith("#"):
                message = f"`{key}: {target}` leaves the document"
                yield SchemaProblem("AR603", (*route, key), message, "copy the schema below `$defs`")
            elif not has_names and not _leads_somewhere(schema, target):
                message = f"`{key}: {target}` leads to nothing in this schema"
                yield SchemaProblem("AR603", (*route, key), message, "`#` is the whole schema: `#/$defs/name`")


def _leads_somewhere(schema: Any, target: str) -> bool:
    value = schema
    for step in target.removeprefix("#").split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, Mapping) and name in value:
            value = value[name]
        else:
            return False
    return target.startswith("#/") or target == "#"


def _bad_patterns(schema: Mapping[str, Any]) -> Iterator[SchemaProblem]:
    for route, one in subschemas(schema, ()):
        patterns: list[tuple[str, Any]] = [("pattern", one.get("pattern"))]
        members = one.get("patternProperties")
        if isinstance(members, Mapping):
            patterns += [("patternProperties", name) for name in members]
        for key, pattern in patterns:
            if isinstance(pattern, str) and (problem := _pattern_problem(pattern)):
                place = (*route, key) if key == "pattern" else (*route, key, pattern)
                yield SchemaProblem("AR604", place, *problem)


def _pattern_problem(pattern: str) -> tuple[str, str | None] | None:
    try:
        _compile({"pattern": pattern})
    except ValueError:
        pass
    else:
        return None
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error.msg}", None
    except RecursionError:
        return "the pattern is nested too deeply", None
    help = "patterns are matched in linear time: no look-around, no back-references, no huge repeats"
    return f"the pattern `{pattern}` can't be used", help


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
