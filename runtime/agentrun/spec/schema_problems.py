"""What is wrong with a JSON Schema that a file has: in the user's words, each problem with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from agentrun.diagnostics import nearest
from agentrun.json_schema import Route, compile_schema, subschemas
from agentrun.spec.wording import SWITCHES, TYPE_WORDS


class SchemaProblem(msgspec.Struct, frozen=True):
    """Why a schema can't be used. `route` leads to the place in the schema."""

    code: str
    route: Route
    message: str
    help: str | None = None


def problems_of(schema: Mapping[str, Any]) -> list[SchemaProblem]:
    """What is wrong with a schema, each with its place; empty when it can be used."""
    try:
        compile_schema(schema)
    except ValueError as error:
        found = [*_not_a_schema(schema), *_bad_references(schema), *_bad_patterns(schema)]
        route = tuple(getattr(error, "instance_path", ()))
        return found or [SchemaProblem("AR601", route, f"not a JSON Schema: {getattr(error, 'message', error)}")]
    return []


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
    other = SWITCHES.get(written.lower()) if isinstance(written, str) else None
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
        return f"`type` is one of {', '.join(TYPES)}, not {shown}", _type_help(error.instance)
    if key == ["required"] and (
        isinstance(error.instance, bool) or (isinstance(error.instance, str) and error.instance in SWITCHES)
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
        return f"{subject} must be {TYPE_WORDS.get(wanted, 'a mapping')}, not {shown}", _value_help(wanted, error)
    return f"not a JSON Schema: {error.message}", None


_OTHER_TYPES = {
    "bool": "boolean",
    "dict": "object",
    "float": "number",
    "int": "integer",
    "list": "array",
    "map": "object",
    "mapping": "object",
    "str": "string",
    "text": "string",
}
_TYPE_HELP = {
    **{name: f"write `type: string, format: {name}`" for name in ("date", "email", "time", "uri", "uuid")},
    **dict.fromkeys(("datetime", "date-time", "timestamp"), "write `type: string, format: date-time`"),
    **{f"{name}[]": f"write `type: array, items: {{type: {name}}}`" for name in ("string", "integer", "number")},
    "any": "leave `type` out where any value will do",
    "enum": "write `type: string`, and the values in `enum: […]` beside it",
    "url": "write `type: string, format: uri`",
}


def is_other_type(written: str) -> bool:
    """Whether another language says so for a type."""
    return written.lower() in _OTHER_TYPES


def meant_type(written: str) -> str | None:
    """The type that another language's word, or a misspelt one, stands for."""
    if written.lower() in _TYPE_HELP or "," in written:
        return None
    return _OTHER_TYPES.get(written.lower()) or nearest(written, TYPES)


def _type_help(written: Any) -> str | None:
    """What to write for `type`."""
    if isinstance(written, str) and written.lower() in _TYPE_HELP:
        return _TYPE_HELP[written.lower()]
    if isinstance(written, str) and "," in written:
        names = [json.dumps(name) if name == "null" else name for name in map(str.strip, written.split(","))]
        return f"write a list: `type: [{', '.join(names)}]`"
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
        compile_schema({"pattern": pattern})
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
