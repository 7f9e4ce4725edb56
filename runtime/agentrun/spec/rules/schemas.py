"""What a valid schema still gets wrong: values that break it, lists without items, words of OpenAPI, near-twins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from agentrun.diagnostics import Diagnostic, Edit, Fix, Related, did_you_mean
from agentrun.json_schema import Validator, subschemas
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, Route, Scalar
from agentrun.spec.retype import respelt
from agentrun.spec.schema import json_type
from agentrun.spec.schema_problems import problems_of
from agentrun.spec.spelling import fold
from agentrun.spec.wording import SWITCHES, either, shown, type_help, wanted
from agentrun.spec.yaml_nodes import parse_scalar

_ROOTS: tuple[Route, ...] = (("parameters",), ("response_format", "json_schema", "schema"))
VALUES = ("default", "const", "enum", "examples")


def schemas_in(document: Document) -> Iterator[Node]:
    """The schemas that a tool or an agent writes, whole."""
    for route in _ROOTS if document.kind != "test" else ():
        node = document.node.get(*route)
        if node is not None and node.is_mapping:
            yield node


Part = tuple[Route, Node, Mapping[str, Any]]


@lru_cache(maxsize=16)
def parts(root: Node) -> list[Part]:
    """Every schema inside a schema, itself first: the route to it, its node and its data. Several rules ask."""
    found = [(route, root.get(*route), schema) for route, schema in subschemas(root.data(), ())]
    return [(route, node, schema) for route, node, schema in found if node is not None]


def types_of(schema: Mapping[str, Any]) -> list[str]:
    """What `type` allows; empty where it says nothing."""
    written = schema.get("type")
    listed = written if isinstance(written, list) else [written]
    return [one for one in listed if isinstance(one, str)]


# -- values that break their schema


def broken_values(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for root in schemas_in(document):
        with_values = [part for part in parts(root) if any(key in part[2] for key in VALUES)]
        is_broken = bool(with_values) and bool(problems_of(parts(root)[0][2]))
        for route, node, schema in with_values:
            if is_broken and problems_of(schema):
                continue  # a schema that can't be used has its own findings
            yield from _nothing_allowed(node, schema)
            outside = list(_values_outside_the_type(node, schema))
            yield from outside or _values_that_break(route, node, schema)


def _nothing_allowed(node: Node, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    if schema.get("enum") == []:
        message = "`enum` is empty: no value satisfies it"
        yield Diagnostic("AR632", "warning", message, node.keys["enum"], "list the values, or leave it out")


def _values_outside_the_type(node: Node, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """One finding a keyword: a list of such values is one mistake."""
    kinds = types_of(schema)
    for key in ("enum", "const") if kinds else ():
        written = node.get(key)
        listed = written.content if written is not None and key == "enum" and written.is_list else [written]
        wrong = [
            one for one in listed if one is not None and not _fits(one.data(), kinds) and not _is_null(one, schema)
        ]
        if wrong:
            message = f"`{key}` has {_told(wrong[0].data())}, and `type` allows {either(_words(kinds))}"
            help = _help_with_type(wrong[0].data(), kinds)
            yield Diagnostic("AR632", "warning", message, wrong[0].span, help)


def _words(kinds: list[str]) -> list[str]:
    return ["null" if kind == "null" else wanted({"type": kind}) for kind in kinds]


def _told(value: Any) -> str:
    if value is None:
        return "null"
    is_short_text = isinstance(value, str) and shown(value).startswith("`")
    return f"the text {shown(value)}" if is_short_text else shown(value)


def _help_with_type(value: Any, kinds: list[str]) -> str:
    if value is None:
        return f'allow it with `type: [{", ".join(kinds)}, "null"]`, or quote it if it is a text'
    return type_help(value, _words(kinds), {}) or "no value can satisfy both: change the one or the other"


def _fits(value: Any, kinds: list[str]) -> bool:
    kind = json_type(value)
    if kind == "integer" or (isinstance(value, float) and value.is_integer()):
        return "integer" in kinds or "number" in kinds
    return kind in kinds


def _is_null(value: Node, schema: Mapping[str, Any]) -> bool:
    """Whether null was meant to be allowed: `nullable` has its own finding."""
    return value.content is None and schema.get("nullable") is True


def _values_that_break(route: Route, node: Node, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    default, examples = node.get("default"), node.get("examples")
    listed = examples.content if examples is not None and examples.is_list else []
    if (default is None and not listed) or _refers(schema):
        return
    try:
        validator = Validator(schema)
    except ValueError:
        return  # it can't stand alone
    for key, value in [("default", default), *(("examples", example) for example in listed)]:
        problem = _problem(validator, value) if value is not None and not _is_null(value, schema) else None
        if value is None or problem is None:
            continue
        help, fix = _as_it_was_meant(value, validator, schema)
        message = f"{'an example' if key == 'examples' else '`default`'} breaks its own schema: {problem}"
        if key == "default" and _is_filled_in(route):
            help = help or "it is filled in before a call is checked, so each call without the argument is refused"
            yield Diagnostic("AR631", "error", message, value.span, help, fix=fix)
        else:
            yield Diagnostic("AR632", "warning", message, value.span, help, fix=fix)


def _refers(schema: Mapping[str, Any]) -> bool:
    """Whether a part of a schema can't be judged without the rest."""
    return any(key in one for _, one in subschemas(schema, ()) for key in ("$ref", "$dynamicRef"))


def _problem(validator: Validator, value: Node) -> str | None:
    found = validator.violations(value.data())
    if not found:
        return None
    return f"`{found[0].path}`: {found[0].message}" if found[0].path else found[0].message


def _is_filled_in(route: Route) -> bool:
    """Whether the default of the schema at a route takes the place of an absent property."""
    return _leads_through_properties(route) and route[-2:-1] == ("properties",)


def _leads_through_properties(route: Route) -> bool:
    while route:
        if route[0] == "items":
            route = route[1:]
        elif route[0] == "properties" and len(route) > 1:
            route = route[2:]
        else:
            return False
    return True


def _as_it_was_meant(value: Node, validator: Validator, schema: Mapping[str, Any]) -> tuple[str | None, Fix | None]:
    """Help, and a fix where the same characters with or without quotes satisfy the schema."""
    if value.content is None:
        return "leave it out: an argument without a default is absent", None
    help = type_help(value.content, _words(types_of(schema)), {})
    listed = schema.get("enum")
    names = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    if help is None and isinstance(value.content, str) and (meant := did_you_mean(value.content, names)):
        return meant, respelt(value, names)
    text = _rewritten(value)
    if text is None or not validator.is_valid(parse_scalar(text) if text[0] != '"' else value.source):
        return help, None
    return help, Fix(f"write `{text}`", (Edit(value.span, text),))


def _rewritten(value: Node) -> str | None:
    """A number or switch in quotes without them, and one without quotes in them."""
    content: Scalar = value.content
    if isinstance(content, (bool, int, float)):
        return f'"{value.source}"' if value.source and not value.style else None
    if not isinstance(content, str) or value.style not in ("", "'", '"'):
        return None
    text = SWITCHES.get(content.lower(), content)
    read = parse_scalar(text)
    return text if isinstance(read, (bool, int, float)) and math.isfinite(read) else None


# -- keywords


def lists_without_items(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """In strict mode such a list is refused, with a finding of its own."""
    strict, root = document.node.get("strict"), document.node.get("parameters")
    if document.kind != "tool" or root is None or (strict is not None and strict.content is True):
        return
    for route, node, schema in parts(root):
        kind = node.get("type")
        if not route or kind is None or "array" not in types_of(schema) or any(key in schema for key in _TELLS_ITEMS):
            continue
        place = next((one for one in kind.content if one.content == "array"), kind) if kind.is_list else kind
        message = "this list doesn't say what it holds, and several services refuse a tool with such a parameter"
        yield Diagnostic("AR636", "warning", message, place.span, "add `items`, such as `items: {type: string}`")


_TELLS_ITEMS = ("items", "prefixItems", "contains", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "enum", "const")


def words_of_openapi(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for root in schemas_in(document):
        for _, node, schema in parts(root):
            for key, help in _OPENAPI.items():
                if key in schema:
                    message = f"`{key}` is a word of OpenAPI, which JSON Schema doesn't know: it has no effect"
                    fix = _as_examples(node) if key == "example" else None
                    yield Diagnostic("AR637", "warning", message, node.keys[key], help, fix=fix)


_OPENAPI = {
    "nullable": 'write `type: [string, "null"]`, or leave the argument out of `required`',
    "discriminator": "give each alternative of `oneOf` a property with a `const`",
    "xml": "leave it out",
    "externalDocs": "say it in `description`",
    "example": "write `examples: […]`, a list",
}


def _as_examples(node: Node) -> Fix | None:
    value = node.get("example")
    if value is None or not value.source or value.style not in ("", "'", '"') or "examples" in node.content:
        return None
    plain_ends = not value.style and any(mark in value.source for mark in ",[]{}")
    if plain_ends or value.span.line != value.span.end_line:
        return None
    edits = (Edit(node.keys["example"], "examples"), Edit(value.span, f"[{value.source}]"))
    return Fix(f"write `examples: [{value.source}]`", edits, safe=False)


def near_duplicates(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for root in schemas_in(document):
        for _, node, _ in parts(root):
            properties = node.get("properties")
            if properties is not None and properties.is_mapping:
                yield from _near_duplicates(properties)


def _near_duplicates(properties: Node) -> Iterator[Diagnostic]:
    """A single letter is an option, whose case has a meaning; a list beside one of its kind is no duplicate."""
    first: dict[tuple[str, str], str] = {}
    for name, schema in properties.content.items():
        kind = schema.get("type")
        folded = fold(name)
        keys = [(folded, "")] + ([(folded.removesuffix("s"), str(kind.data()))] if kind is not None else [])
        other = next((first[key] for key in keys if key in first), None)
        if other is not None and len(folded) > 1:
            message = f"`{name}` and `{other}` are nearly the same name: a model will mix them up"
            related = (Related("the other one stands here", properties.keys[other]),)
            help = "keep one of them, or choose names that say what differs"
            yield Diagnostic("AR638", "warning", message, properties.keys[name], help, related)
        for key in keys:
            first.setdefault(key, name)


RULES = (broken_values, lists_without_items, words_of_openapi, near_duplicates)
