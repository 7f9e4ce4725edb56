"""JSON Schemas that users write: parameters of agents and tools, and response formats.

What a model sends is checked against them by a linear engine without network (`json_schema.py`), so they must be
schemas that this engine takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from agentrun.diagnostics import Diagnostic, Edit, Fix, did_you_mean
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import add_first, is_as_written, write, write_name
from agentrun.spec.lines import put_around
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node
from agentrun.spec.rules.schema_words import lacks_properties
from agentrun.spec.rules.schemas import parts, schemas_in
from agentrun.spec.schema_problems import TYPES, SchemaProblem, is_other_type, meant_type, problems_of
from agentrun.spec.spelling import is_surely
from agentrun.spec.wording import shown


def invalid_schemas(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for node in schemas_in(document):
        for problem in problems_of(parts(node)[0][2]):
            is_key = problem.route[-2:-1] == ("patternProperties",)
            place = node.key_place(problem.route) if is_key else node.place(problem.route)
            written = node.get(*problem.route)
            if problem.code != "AR606" or written is None:
                fix = _mended(written, problem) if written is not None else None
                yield Diagnostic(problem.code, "error", problem.message, place, problem.help, fix=fix)
            elif written.source:
                fix = Fix('write `"null"`', (Edit(place, '"null"'),))
                yield Diagnostic("AR606", "error", problem.message, place, problem.help, fix=fix)
            else:
                yield Diagnostic("AR601", "error", "`type` has no value", node.key_place(problem.route))


def _mended(node: Node, problem: SchemaProblem) -> Fix | None:
    written = node.content
    if problem.code != "AR601" or not isinstance(written, str):
        return None
    if problem.help == f"write {{type: {written}}}" and is_as_written(node):
        return put_around(node.span, "{type: ", "}", f"write `{{type: {written}}}`", safe=True)
    meant = meant_type(written) if problem.route[-1] == "type" else None
    return write(node, meant, safe=is_other_type(written) or is_surely(written, meant, TYPES)) if meant else None


def parameters_that_are_no_object(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node = document.node.get("parameters")
    if node is None or not node.is_mapping:
        return
    kind = node.get("type")
    if kind is None:
        message = "`parameters` needs `type: object`"
        help = None if node.get("properties") else "write `{type: object, properties: {…}}`"
        fix = add_first(catalog.texts, node, "type: object") if help is None else None
        yield Diagnostic("AR602", "error", message, document.node.key_place(("parameters",)), help, fix=fix)
    elif kind.content != "object" and kind.content in TYPES:
        message = f"`parameters` must be of `type: object`, not {shown(kind.content)}"
        yield Diagnostic("AR602", "error", message, kind.span, "arguments are named")


def required_without_property(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for node in schemas_in(document):
        yield from _required(node)


def _required(schema: Node) -> Iterator[Diagnostic]:
    for _, node in schema.walk():
        required, properties = (node.get("required"), node.get("properties")) if node.is_mapping else (None, None)
        if not (required and required.is_list and properties and properties.is_mapping):
            continue
        listed = {one.content for one in required.content if isinstance(one.content, str)}
        unlisted = [one for one in properties.content if one not in listed]
        for name in required.content:
            if isinstance(name.content, str) and name.content not in properties.content:
                message = f"`required` names no property: `{name.content}`"
                help = did_you_mean(name.content, properties.content)
                fix = write_name(name, unlisted)
                yield Diagnostic("AR605", "warning", message, name.span, help, fix=fix)


def has_default(schema: Any) -> bool:
    """Whether an argument with this schema is filled in where a call leaves it out."""
    return isinstance(schema, dict) and "default" in schema


@lru_cache(maxsize=64)
def declared(document: Document) -> dict[str, Any] | None:
    """The properties of a document's parameters; None where they can't be known. Asked for each template of it."""
    node = document.node.get("parameters")
    if node is None:
        if misspelt(document.node, "parameters"):
            return None
        if document.kind == "agent":
            return {"input": {"type": "string"}}
        return {} if document.node.get("agent") is None else None
    if not node.is_mapping:
        return None
    properties = node.get("properties")
    if properties is None:
        return {} if node.get("type") and not lacks_properties(node.data()) else None
    return properties.data() if properties.is_mapping else None


RULES = (invalid_schemas, parameters_that_are_no_object, required_without_property)
