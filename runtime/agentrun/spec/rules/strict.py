"""OpenAI's strict mode: what it changes in a schema, and what it can't take."""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Span, one_of
from agentrun.json_schema import Route
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node
from agentrun.spec.schema_problems import problems_of
from agentrun.strict.schema import Change, ChangeKind, make_strict

_WORDS: dict[ChangeKind, str] = {
    "closed": "closed to other keys",
    "nullable": "optional, so null stands for absent",
    "told": "told in the description",
    "any_of": "`oneOf` sent as `anyOf`",
    "merged": "written out",
    "typed": "`type` added",
    "left_out": "left out",
}
_HELP = "what the model says is checked against the schema as it is written here, without the nulls for absent ones"


def strict_parameters(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "tool" or document.is_set or not _is_on(document.node):
        return
    schema = document.node.get("parameters")
    called = document.node.get("agent")
    if schema is None and called is not None and document.called_agent in catalog.agents:
        schema = catalog.agents[called.content].node.get("parameters")
    kind = schema.get("type") if schema is not None else None
    if schema is not None and kind is not None and kind.content == "object":  # else AR602 says what is wrong
        yield from _findings(schema, document.node.key_place(("strict",)))


def strict_response_format(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node = document.node.get("response_format", "json_schema")
    if document.kind != "agent" or node is None or not _is_on(node):
        return
    place = node.key_place(("strict",))
    schema = node.get("schema")
    if schema is None:
        message = "strict mode needs the `schema` of the answer"
        yield Diagnostic("AR621", "error", message, place, "write `schema: {type: object, properties: {…}}`")
    else:
        yield from _findings(schema, place)


def _is_on(node: Node) -> bool:
    found = node.get("strict")
    return found is not None and found.content is True


def _findings(node: Node, place: Span) -> Iterator[Diagnostic]:
    if not node.is_mapping or problems_of(node.data()):
        return  # has its own findings
    strict = make_strict(node.data())
    for refusal in strict.refusals:
        code = "AR622" if refusal.is_limit else "AR621"
        yield Diagnostic(code, "error", refusal.message, _place(node, refusal.route), refusal.help)
    if strict.changes and not strict.refusals:
        message = f"strict mode sends the schema with changes: {summary(strict.changes)}"
        yield Diagnostic("AR620", "info", message, place, _HELP)


def _place(node: Node, route: Route) -> Span:
    """A keyword's place is its key; a schema's is the schema."""
    found = node.get(*route)
    is_schema = route[-2:-1] in (("properties",), ("$defs",), ("definitions",))
    is_keyword = bool(route) and found is not None and not is_schema
    return node.key_place(route) if is_keyword else node.place(route)


def summary(changes: tuple[Change, ...]) -> str:
    """The changes in one line, those of a kind together."""
    parts = []
    for kind, words in _WORDS.items():
        names = [_name(change) for change in changes if change.kind == kind]
        if names:
            parts.append(f"{words}: {one_of(names, limit=8)}")
    return "; ".join(parts)


def _name(change: Change) -> str:
    place = f"`{change.path}`" if change.path else "the whole"
    if not change.keyword:
        return place
    return f"`{change.keyword}` of {place}" if change.path else f"`{change.keyword}`"


RULES = (strict_parameters, strict_response_format)
